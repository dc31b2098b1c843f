//! Where the NIC delivers to, and where it should.

use super::{Action, Note, Phase, State};
use vhost_transfer::InstanceId;

/// What is known of the steering.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Steering {
    on: Option<InstanceId>,
    asked: Option<InstanceId>,
    trouble: Option<(InstanceId, String)>,
}

impl Steering {
    /// The instance that the NIC delivers to, when that is known and nothing is about to change it.
    pub fn on(&self) -> Option<InstanceId> {
        self.on.filter(|_| self.asked.is_none())
    }

    /// Why the NIC could not be made to deliver to the instance that should have it.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|(_, reason)| reason.as_str())
    }

    pub(super) fn delivers(&mut self, id: InstanceId) {
        self.on = Some(id);
    }

    pub(super) fn delivers_to_nobody(&mut self) {
        self.on = None;
    }

    pub(super) fn forget_trouble(&mut self) {
        self.trouble = None;
    }

    /// The last try to steer to `target` failed, and it was not tried since.
    pub(super) fn failed_for(&self, target: InstanceId) -> bool {
        self.trouble.as_ref().is_some_and(|(to, _)| *to == target)
    }
}

impl State {
    /// Steers, unless it is right, being done, or has just failed.
    pub(super) fn steer(&mut self) {
        let Some(target) = self.steering_target() else {
            return;
        };
        let steering = &mut self.steering;
        if steering.asked.is_none() && !steering.failed_for(target) {
            steering.asked = Some(target);
            self.actions.push(Action::Steer(target));
        }
    }

    pub(super) fn waits_to_steer(&self) -> bool {
        self.steering_target()
            .is_some_and(|target| self.steering.failed_for(target))
    }

    /// Who should get the traffic and does not: in a handover the next one, else the active one.
    fn steering_target(&self) -> Option<InstanceId> {
        let target = match &self.handover {
            Some(handover) => match handover.phase {
                Phase::Steering | Phase::Releasing { .. } => Some(handover.to),
                Phase::Preparing
                | Phase::Quiescing { .. }
                | Phase::Settling { .. }
                | Phase::Aborting { .. } => self.active(),
            },
            None => self.active(),
        };
        target.filter(|_| target != self.steering.on())
    }

    pub(super) fn steered(&mut self, outcome: Result<(), String>) {
        let Some(to) = self.steering.asked.take() else {
            return;
        };
        match outcome {
            Ok(()) => {
                self.steering.on = Some(to);
                self.steering.trouble = None;
                self.steered_for_handover(to);
            }
            Err(reason) => {
                self.steering.on = None;
                self.steering.trouble = Some((to, reason.clone()));
                self.note(Note::SteeringFailed(to, reason.clone()));
                self.steering_failed_in_handover(to, &reason);
            }
        }
    }
}
