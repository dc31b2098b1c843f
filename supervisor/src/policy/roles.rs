//! Who is to own the lanes, and who is to wait for them.

use super::{Action, Life, Note, Order, Phase, State};
use vhost_transfer::InstanceId;

impl State {
    /// One that is ready takes the lanes if nobody has them, or waits for them if the other has.
    pub(super) fn hand_out_roles(&mut self) {
        if self.is_stopping() || self.pinned {
            return;
        }
        for id in [self.heir, self.heir.other()] {
            if self.may_activate(id) {
                self.set_life(id, Life::Activating);
                self.tell(id, Order::Activate(self.term.next()));
            } else if self.may_stand_by(id) {
                self.set_life(id, Life::Arming);
                self.tell(id, Order::StandBy);
            }
        }
    }

    /// Warm, with every device mapped.
    pub(super) fn is_complete(&self, id: InstanceId) -> bool {
        self.life(id) == Life::Warm && self.instance(id).has_mapped_all()
    }

    /// Nobody has the lanes or could get them by itself, and no better one is on its way.
    fn may_activate(&self, id: InstanceId) -> bool {
        let nobody_else = match self.life(id.other()) {
            Life::Absent => true,
            Life::Spawned | Life::Greeted | Life::Warm => id == self.heir,
            Life::Activating
            | Life::Active
            | Life::Releasing
            | Life::Arming
            | Life::Standby
            | Life::Disarming
            | Life::Leaving => false,
        };
        nobody_else && self.is_complete(id)
    }

    /// The other one really has the lanes: one that waits too early would get them.
    fn may_stand_by(&self, id: InstanceId) -> bool {
        let undisturbed = match &self.handover {
            None => true,
            Some(handover) => matches!(handover.phase, Phase::Settling { .. }),
        };
        undisturbed && self.is_complete(id) && self.life(id.other()) == Life::Active
    }

    pub(super) fn standing_by(&mut self, id: InstanceId) {
        if self.life(id) == Life::Disarming {
            return;
        }
        if self.life(id) != Life::Arming {
            return self.ignore(id, "standing by, without being asked");
        }
        self.set_life(id, Life::Standby);
        self.instance_mut(id).became_ready();
        self.fled = false;
        self.note(Note::Spare(id));
    }

    /// The active one serves when the NIC delivers to it.
    pub(super) fn say_ready(&mut self) {
        let serves = self.active().is_some() && self.active() == self.steering.on();
        if serves && !self.ready {
            self.ready = true;
            self.actions.push(Action::Ready);
        }
    }
}
