//! Before anybody takes over, who had the lanes must be gone.

use super::{Life, Note, Phase, State};
use vhost_transfer::{InstanceId, Role};

/// What of an instance is to be watched for hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    /// Its lanes run.
    pub lanes: bool,
    /// Its control thread has to answer.
    pub control: bool,
}

impl State {
    /// What of `id` is to be watched now. Between the release word and the new term the old lanes
    /// rest by design.
    pub fn watched(&self, id: InstanceId) -> Watched {
        if self.pinned || self.is_stopping() {
            return Watched::default();
        }
        let releases = self
            .handover
            .as_ref()
            .is_some_and(|handover| matches!(handover.phase, Phase::Releasing { .. }));
        match self.life(id).role() {
            Some(Role::Active) => Watched {
                lanes: !releases,
                control: true,
            },
            Some(Role::Standby) => Watched {
                lanes: false,
                control: true,
            },
            None => Watched::default(),
        }
    }

    /// It is killed; its lanes go to the standby when the kernel has ended it.
    pub(super) fn hung(&mut self, id: InstanceId, how: String) {
        if self.life(id).is_alive() {
            self.note(Note::Hung(id, how.clone()));
            self.drop_instance(id, how);
        }
    }

    /// Nobody has the lanes, and who waits for them did not get them. If the one before is still
    /// there, that is why, and nobody may serve its rings; the kill is tried again. If it is gone,
    /// the one that waits is of no use.
    pub(super) fn takeover_timed_out(&mut self, reason: String) {
        match self.find(|life| life == Life::Leaving) {
            Some(id) => self.not_fenced(id),
            None => self.drop_armed(reason),
        }
    }

    fn not_fenced(&mut self, id: InstanceId) {
        self.actions.push(super::Action::Kill(id));
        if !self.instance(id).unfenced {
            self.instance_mut(id).unfenced = true;
            self.note(Note::Unfenced(id));
        }
    }
}
