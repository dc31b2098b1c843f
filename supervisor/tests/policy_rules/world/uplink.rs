//! The model of the two uplinks: what they are, and what the supervisor has been told of them.

use super::{Move, World};
use vhost_transfer::InstanceId;
use vswsup::policy::{Cause, Event, Health, Life};

/// What an uplink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Link {
    #[default]
    Well,
    /// Until its instance starts again.
    Deaf,
    /// Until somebody sees to it.
    Silent,
    /// Until it is put back. Without it its instance cannot start.
    Gone,
}

impl Link {
    fn health(self) -> Health {
        match self {
            Self::Well => Health::Well,
            Self::Deaf => Health::Deaf("nothing arrives".into()),
            Self::Silent => Health::Deaf("nothing arrives, whatever is done".into()),
            Self::Gone => Health::Gone("taken away".into()),
        }
    }
}

impl World {
    pub(crate) fn link(&self, id: InstanceId) -> Link {
        self.links[id as usize]
    }

    /// The supervisor finds out how it is.
    pub(crate) fn tell_link(&mut self, id: InstanceId) {
        let link = self.link(id);
        if self.moves_uplink {
            self.links_told = [Some(link); 2];
            self.nic = self.nic.filter(|_| link != Link::Gone);
            return self.happen(Event::OneUplink(link.health()));
        }
        self.links_told[id as usize] = Some(link);
        self.happen(Event::Uplink(id, link.health()));
    }

    /// That of `id`, and of both where there is one for both.
    pub(crate) fn set_link(&mut self, id: InstanceId, link: Link) {
        match self.moves_uplink {
            true => self.links = [link; 2],
            false => self.links[id as usize] = link,
        }
    }

    /// Where nothing is proven yet, only one who polls its uplink can prove it.
    pub(crate) fn is_link_news(&self, id: InstanceId) -> bool {
        let life = self.state.instance(id).life;
        match self.links_told[id as usize] {
            Some(told) => self.link(id) != told,
            None => matches!(life, Life::Active | Life::Standby) || self.link(id) == Link::Gone,
        }
    }

    /// One that starts has to prove its uplink, if it has one.
    pub(super) fn doubt_link(&mut self, id: InstanceId) -> Option<Event> {
        if !self.probes || self.link(id) == Link::Gone {
            return None;
        }
        self.links_told[id as usize] = None;
        Some(Event::Uplink(id, Health::Unproven))
    }

    /// One that was not proven is no spare.
    pub(super) fn check_proven(&self) {
        let spare = self.state.spare();
        let told = spare.map(|id| self.links_told[id as usize]);
        assert_ne!(told, Some(None), "a spare that nothing has come through");
    }

    /// Sets the uplink, and the supervisor finds out.
    pub(crate) fn lose_link(&mut self, id: InstanceId, link: Link) {
        self.set_link(id, link);
        self.tell_link(id);
    }

    /// A process that starts opens its port anew.
    pub(crate) fn open_link(&mut self, id: InstanceId) {
        if self.link(id) == Link::Deaf {
            self.links[id as usize] = Link::Well;
        }
    }

    pub(super) fn links_to_lose(&self) -> Vec<Move> {
        let can_be = |id| self.links_left > 0 && self.link(id) == Link::Well;
        if self.moves_uplink {
            let gone = can_be(InstanceId::A).then_some(Move::LoseLink(InstanceId::A, Link::Gone));
            return gone.into_iter().collect();
        }
        let lose = |id| [Link::Deaf, Link::Silent, Link::Gone].map(|link| Move::LoseLink(id, link));
        let both = InstanceId::BOTH.into_iter().filter(|&id| can_be(id));
        both.flat_map(lose).collect()
    }

    pub(super) fn links_to_mend(&self) -> impl Iterator<Item = Move> {
        InstanceId::BOTH
            .into_iter()
            .filter(|&id| self.link(id) != Link::Well)
            .map(Move::MendLink)
    }

    /// What the policy may begin by itself, and go on with, as far as the uplinks are concerned.
    pub(super) fn check_links_for_release(&self) {
        let handover = self.state.handover().expect("a handover");
        let [from, to] = [handover.from, handover.to].map(|id| self.state.uplink(id));
        match handover.cause {
            Cause::Asked(_) => {
                let leads_to_worse = matches!(
                    (from, to),
                    (
                        Health::Well | Health::Unproven,
                        Health::Deaf(_) | Health::Gone(_)
                    ) | (_, Health::Unproven)
                        | (Health::Deaf(_), Health::Gone(_))
                );
                assert!(!leads_to_worse, "from {from} to {to}");
            }
            Cause::Uplink(_) => {
                assert_eq!(to, &Health::Well, "nobody asked for it");
                let bad = matches!(from, Health::Deaf(_) | Health::Gone(_));
                assert!(bad, "nobody asked for it, from one that is {from}");
            }
        }
    }

    /// At rest, and with nothing else in the way, traffic is where it is well, and somewhere if there is
    /// an uplink at all.
    pub(crate) fn check_fled(&self) {
        if self.state.is_pinned() || self.state.is_stopping() {
            return;
        }
        let Some(active) = self.state.active() else {
            return assert_eq!(self.links, [Link::Gone; 2], "nobody is active: {self:#?}");
        };
        if self.state.spare().is_some() {
            let [active, spare] = [active, active.other()].map(|id| self.state.uplink(id));
            let bad = matches!(active, Health::Deaf(_) | Health::Gone(_));
            assert!(
                !bad || spare != &Health::Well,
                "active on one that is {active}, beside a spare"
            );
        }
    }
}
