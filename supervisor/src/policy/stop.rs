//! The end: the standby first, so that it does not take over, then the active one.

use super::{Action, Life, Order, State};
use vhost_transfer::InstanceId;

/// How much of a hurry there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stopping {
    /// None.
    No,
    /// In order.
    Ordered,
    /// At once.
    AtOnce,
}

impl State {
    pub(super) fn stop(&mut self) {
        if self.stopping == Stopping::No {
            self.stopping = Stopping::Ordered;
            return self.abort("the supervisor is stopping".into());
        }
        self.stopping = Stopping::AtOnce;
        for id in InstanceId::BOTH {
            if self.life(id) == Life::Leaving {
                self.actions.push(Action::Kill(id));
            }
            self.drop_instance(id, "killed by a second stop".into());
        }
    }

    /// Takes the next step of leaving, if there is one now.
    pub(super) fn leave(&mut self) {
        if !self.is_stopping() || self.handover.is_some() {
            return;
        }
        for id in InstanceId::BOTH {
            let others_wait = self.life(id).owns() && self.life(id.other()) != Life::Absent;
            if self.life(id).is_alive() && !others_wait {
                self.set_life(id, Life::Leaving);
                self.tell(id, Order::Stop);
            }
        }
        if InstanceId::BOTH.map(|id| self.life(id)) == [Life::Absent; 2] {
            self.actions.push(Action::Exit);
        }
    }
}
