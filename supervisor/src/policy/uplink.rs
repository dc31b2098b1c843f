//! Each instance's own way to the NIC: whether it works, and what follows when it does not.
//!
//! A standby with a bad uplink still waits for the lane locks: if the other one dies, guests keep
//! their connections and reach each other. But it is no spare, and nothing is moved to it, unless
//! the active one's uplink is as bad. At rest, in this order:
//!
//! * an active one with a bad uplink hands over to a standby with a good one, once;
//! * a standby with a deaf uplink is started again, once: its port begins anew then. Until something
//!   has come through it is unproven, and no spare;
//! * a standby without an uplink leaves, so that the kernel can take the device, and is started
//!   again when the device is back.

use super::handover::{Cause, Handover};
use super::{Life, Note, State};
use std::fmt;
use vhost_transfer::InstanceId;

/// What is wrong with one that is [`Health::Unproven`].
const NOTHING_HEARD: &str = "no probe has come through it yet";

/// How an instance's uplink is. What is bad comes with the reason, for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Health {
    /// Nothing is known against it.
    #[default]
    Well,
    /// Its instance was just started, and nothing has come through it yet.
    Unproven,
    /// The device is there, and what should arrive does not.
    Deaf(String),
    /// The device is gone, or the kernel is waiting to take it.
    Gone(String),
}

impl Health {
    /// What is wrong with it.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Well => None,
            Self::Unproven => Some(NOTHING_HEARD),
            Self::Deaf(reason) | Self::Gone(reason) => Some(reason),
        }
    }

    fn badness(&self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Unproven => 1,
            Self::Deaf(_) => 2,
            Self::Gone(_) => 3,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("well"),
            Self::Unproven => write!(f, "unproven: {NOTHING_HEARD}"),
            Self::Deaf(reason) => write!(f, "deaf: {reason}"),
            Self::Gone(reason) => write!(f, "gone: {reason}"),
        }
    }
}

/// What is known of one instance's uplink. It outlives the instance's process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Uplink {
    health: Health,
    /// The instance was started again since the uplink is bad.
    renewed: bool,
    /// People were told that it is bad.
    told: bool,
}

impl State {
    /// How the uplink of `id` is.
    pub fn uplink(&self, id: InstanceId) -> &Health {
        &self.uplinks[id as usize].health
    }

    /// There is no process, and none is started before the uplink is back.
    pub fn is_held(&self, id: InstanceId) -> bool {
        self.life(id) == Life::Absent && matches!(self.uplink(id), Health::Gone(_))
    }

    pub(super) fn is_worse_off(&self, id: InstanceId) -> bool {
        self.uplink(id).badness() > self.uplink(id.other()).badness()
    }

    pub(super) fn uplink_is(&mut self, id: InstanceId, health: Health) {
        if self.learn(id, health) {
            self.call_off_what_is_in_vain();
        }
    }

    /// Neither instance is better off than the other. A device that went is opened anew when it is
    /// back, wherever it was open.
    pub(super) fn one_uplink_is(&mut self, health: Health) {
        let is_gone = matches!(health, Health::Gone(_));
        let news = InstanceId::BOTH.map(|id| self.learn(id, health.clone()));
        if news.contains(&true) && is_gone {
            self.steering.delivers_to_nobody();
        }
    }

    /// Whether that is news.
    fn learn(&mut self, id: InstanceId, health: Health) -> bool {
        let uplink = &mut self.uplinks[id as usize];
        let is_news = uplink.health.badness() != health.badness();
        uplink.renewed &= health != Health::Well;
        uplink.health = health;
        if is_news {
            self.fled = false;
            self.note_uplink(id);
        }
        is_news
    }

    /// That one starts, and then is well, nobody wants to know.
    fn note_uplink(&mut self, id: InstanceId) {
        let uplink = &mut self.uplinks[id as usize];
        let is_told = match uplink.health {
            Health::Well => std::mem::take(&mut uplink.told),
            Health::Unproven => false,
            Health::Deaf(_) | Health::Gone(_) => {
                uplink.told = true;
                true
            }
        };
        if is_told {
            let health = uplink.health.clone();
            self.note(Note::Uplink(id, health));
        }
    }

    /// After the release word there is no way back.
    fn call_off_what_is_in_vain(&mut self) {
        let Some(Handover {
            from, to, cause, ..
        }) = &self.handover
        else {
            return;
        };
        let (from, to) = (*from, *to);
        let in_vain = match cause {
            Cause::Asked(_) => self.is_worse_off(to),
            Cause::Uplink(_) => !self.is_refuge(from, to),
        };
        if in_vain {
            let [from_is, to_is] = [from, to].map(|id| self.uplink(id));
            self.abort(format!(
                "the uplink of {from} is {from_is}, that of {to} {to_is}"
            ));
        }
    }

    /// Traffic of `from` would be better off with `to`.
    fn is_refuge(&self, from: InstanceId, to: InstanceId) -> bool {
        let bad = self.uplink(from).badness() > Health::Unproven.badness();
        bad && self.uplink(to) == &Health::Well
    }

    /// Nothing has come through the uplink of `id`, or less than through the other one.
    pub(super) fn is_no_spare(&self, id: InstanceId) -> bool {
        self.is_worse_off(id) || self.uplink(id) == &Health::Unproven
    }

    /// What is under way comes to its end first. While it is pinned there is no standby.
    pub(super) fn see_to_uplinks(&mut self) {
        let Some(active) = self.active().filter(|_| self.handover.is_none()) else {
            return;
        };
        let standby = active.other();
        if self.is_stopping() || self.life(standby) != Life::Standby {
            return;
        }
        match self.uplink(standby) {
            Health::Well if self.is_refuge(active, standby) => self.flee(active),
            Health::Deaf(_) => self.renew(standby),
            Health::Gone(_) if self.is_worse_off(standby) => {
                self.drop_instance(standby, self.uplink_in_words(standby));
            }
            Health::Well | Health::Unproven | Health::Gone(_) => {}
        }
    }

    /// Not again after a try that failed, before something has changed.
    fn flee(&mut self, active: InstanceId) {
        if self.fled {
            return;
        }
        if let Ok((from, to)) = self.find_handover() {
            self.fled = true;
            let cause = Cause::Uplink(format!("the uplink of {active} is {}", self.uplink(active)));
            self.begin_handover(from, to, cause, false);
        }
    }

    fn renew(&mut self, id: InstanceId) {
        if !self.uplinks[id as usize].renewed {
            self.uplinks[id as usize].renewed = true;
            self.drop_instance(id, self.uplink_in_words(id));
        }
    }

    fn uplink_in_words(&self, id: InstanceId) -> String {
        format!("its uplink is {}", self.uplink(id))
    }
}
