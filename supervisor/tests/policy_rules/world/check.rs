//! What must hold after every step.

use super::instance::Lanes;
use super::{Device, World};
use std::collections::BTreeMap;
use vhost_transfer::{InstanceId, PortId, Term};
use vswsup::policy::{Action, Event, Life, Order, Outcome, Phase};

impl World {
    /// Looks at what one step wants to be done, before it is done.
    pub(super) fn check_step(&mut self, event: &Event, actions: &[Action]) {
        for (at, action) in actions.iter().enumerate() {
            match action {
                Action::Tell(id, order) => self.check_order(*id, *order, actions),
                Action::ReleaseFor(term) => {
                    assert_eq!(
                        event,
                        &Event::Steered(Ok(())),
                        "release comes right after steering"
                    );
                    assert_eq!(at, 0, "nothing stands between steering and release");
                    self.check_release(*term);
                }
                Action::Revoke(term) => self.check_revoke(*term),
                Action::CountStray(id) => {
                    assert_ne!(self.nic, Some(*id), "{id} is still delivered to");
                }
                Action::Answer(_, outcome) | Action::Moved(outcome) => self.check_outcome(outcome),
                Action::Keep(port) => assert!(self.vault.contains_key(port)),
                Action::Forget(port) => {
                    self.vault.remove(port);
                }
                Action::Quarantine(_)
                | Action::GiveUp
                | Action::Spawn(_)
                | Action::Kill(_)
                | Action::Steer(_)
                | Action::StartTimer(..)
                | Action::StopTimer(_)
                | Action::Ready
                | Action::Note(_)
                | Action::Exit => {}
            }
        }
    }

    fn check_order(&self, id: InstanceId, order: Order, actions: &[Action]) {
        let arms = matches!(
            order,
            Order::StandBy | Order::Activate(_) | Order::Prepare(_)
        );
        assert!(
            !(arms && self.state.is_pinned()),
            "{id} is told to {order:?} while it is pinned"
        );
        let other = self.look(id.other());
        match order {
            Order::Activate(_) => {
                assert_ne!(
                    self.owner,
                    Some(id.other()),
                    "{id} is told to take what is owned"
                );
                assert!(
                    !other.runs || !other.may_own(),
                    "{id} is told to own while the other might: {other:?}"
                );
            }
            Order::StandBy => {
                let said = self.state.instance(id.other()).life == Life::Active;
                assert!(
                    said,
                    "{id} is told to wait before the other has said that it is active"
                );
            }
            Order::Stored { port, revision } if self.vault.contains_key(&port) => {
                let killed = actions.contains(&Action::Kill(id.other()));
                let has_it = other
                    .devices
                    .get(&port)
                    .is_some_and(|device| device.revision >= revision);
                let took_over = self.owner == Some(id.other());
                let armed = self.state.instance(id.other()).life.is_armed();
                assert!(
                    killed || !armed || has_it || took_over,
                    "{id} is told that an update is safe, and the standby lacks it"
                );
            }
            Order::Stored { .. }
            | Order::Setup
            | Order::StandDown
            | Order::AddPort(_)
            | Order::RemovePort(_)
            | Order::Device(_)
            | Order::DeviceGone(_)
            | Order::Prepare(_)
            | Order::Quiesce { .. }
            | Order::Abort(_)
            | Order::Stop => {}
        }
    }

    /// Prepared, quiesced, steered, and every device mapped: by the model, not by the policy's book.
    fn check_release(&self, term: Term) {
        let handover = self.state.handover().expect("a handover");
        assert_eq!(handover.term, term);
        assert!(matches!(handover.phase, Phase::Releasing { .. }));
        self.check_links_for_release();
        assert_eq!(
            self.nic,
            Some(handover.to),
            "the NIC delivers to the next one"
        );
        let (from, to) = (self.look(handover.from), self.look(handover.to));
        assert!(from.quiesced || !from.runs || self.owner == Some(handover.to));
        if to.runs && self.owner != Some(handover.to) {
            let devices: BTreeMap<_, _> = to
                .devices
                .iter()
                .filter(|(port, _)| self.ports.contains(port))
                .map(|(&port, &revision)| (port, revision))
                .collect();
            assert_eq!(
                devices, self.vault,
                "the next one has every device of a port that is"
            );
        }
    }

    /// Only the death of the next one takes the release word back.
    fn check_revoke(&self, term: Term) {
        let handover = self.state.handover().expect("a handover");
        assert_eq!((handover.term, self.release), (term, term));
        assert!(!self.look(handover.to).exists, "{} lives", handover.to);
    }

    fn check_outcome(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { .. } | Outcome::Promoted(_) if self.state.is_stopping() => {}
            Outcome::Failed { .. } => {
                let active = self.state.active();
                assert!(
                    active.is_some(),
                    "a promote that failed leaves the old one active"
                );
                assert_eq!(self.nic, active, "and the NIC on it");
            }
            Outcome::Promoted(promoted) => {
                assert_eq!(self.state.active(), Some(promoted.to));
            }
            Outcome::Refused { .. } | Outcome::Degraded { .. } | Outcome::Done => {}
        }
    }

    pub(super) fn check_always(&self) {
        let wanted: std::collections::BTreeSet<_> = self.state.timers().into_keys().collect();
        assert_eq!(
            self.timers, wanted,
            "the timers that run are those of the state"
        );
        let owning: Vec<_> = InstanceId::BOTH
            .into_iter()
            .filter(|&id| self.look(id).runs && matches!(self.look(id).lanes, Lanes::Owning(_)))
            .collect();
        assert!(owning.len() <= 1, "the lanes have two owners");
        let moves = self.asked_handover().is_some() || self.state.restart().is_some();
        assert_eq!(!self.open.is_empty(), moves);
        let disarmed =
            self.state.is_pinned() && self.open_pins.is_empty() && !self.state.is_stopping();
        for id in InstanceId::BOTH.into_iter().filter(|_| disarmed) {
            let model = self.look(id);
            assert!(
                !model.runs || !matches!(model.lanes, Lanes::Waiting(None)) || model.kills > 0,
                "{id} waits for the locks, and it was said that nobody does"
            );
        }
        self.check_proven();
        for port in &self.quarantined {
            assert!(
                !self.vault.contains_key(port),
                "the vault keeps a device in quarantine"
            );
        }
    }

    /// All is well: one active, one spare, the NIC on the active one, nobody waits for anything.
    pub(crate) fn check_well(&self) {
        let active = self.state.active().expect("an active instance");
        let spare = (!self.alone).then_some(active.other());
        assert_eq!(self.state.spare(), spare, "{self:#?}");
        assert_eq!(self.look(active.other()).exists, !self.alone);
        assert_eq!(self.moving, None);
        assert_eq!(self.owner, Some(active), "{self:#?}");
        assert_eq!(self.nic, Some(active));
        assert!(self.ready);
        assert!(self.open.is_empty(), "every request has its outcome");
        assert!(
            self.timers.is_empty(),
            "nothing is waited for: {:?}",
            self.timers
        );
        assert!(
            self.unread.is_empty(),
            "no front end waits: {:?}",
            self.unread
        );
        let kept = |(&port, device): (&PortId, &Device)| (port, device.connection);
        let kept: BTreeMap<_, _> = self.vault.iter().map(kept).collect();
        assert_eq!(
            kept, self.connected,
            "every connection is kept, and no other: {self:#?}"
        );
        let there = InstanceId::BOTH.into_iter();
        for id in there.filter(|&id| self.look(id).exists) {
            assert_eq!(self.look(id).ports, self.ports, "{id} knows the ports");
            assert!(
                self.look(id).unstored.is_empty(),
                "no front end waits for {id}: {self:#?}"
            );
            assert_eq!(self.look(id).devices, self.vault, "{id} has every device");
        }
    }
}

impl super::Model {
    /// It owns the lanes, or could get them without being told anything more.
    fn may_own(&self) -> bool {
        let told = |wanted: fn(&Order) -> bool| self.inbox.iter().any(|(order, _)| wanted(order));
        match self.lanes {
            Lanes::Owning(_) | Lanes::Waiting(_) => true,
            Lanes::Idle | Lanes::LetGo(_) => {
                told(|order| matches!(order, Order::StandBy | Order::Activate(_)))
            }
        }
    }
}
