//! Deaths in a row: when to start an instance again, and when to give it up.

use super::{Action, Life, Note, State};
use vhost_transfer::InstanceId;

impl State {
    /// It died so often in a row that it is not started any more.
    pub fn is_given_up(&self, id: InstanceId) -> bool {
        let failures = self.instance(id).failures;
        let limit = self.limits.restart_limit;
        self.life(id) == Life::Absent && limit > 0 && failures >= limit
    }

    /// It was ready for long enough.
    pub(super) fn calmed(&mut self, id: InstanceId) {
        self.instance_mut(id).failures = 0;
    }

    /// Somebody has seen to what was wrong.
    pub(super) fn try_again(&mut self) {
        for id in InstanceId::BOTH {
            if self.is_given_up(id) {
                self.calmed(id);
            }
        }
    }

    pub(super) fn note_if_given_up(&mut self, id: InstanceId) {
        if self.is_given_up(id) {
            let instance = self.instance(id);
            let reason = instance.trouble.clone().unwrap_or_default();
            self.note(Note::GivenUp(id, instance.failures, reason));
        }
    }

    /// Nothing is left that could become better by itself.
    pub(super) fn despair(&mut self) {
        if !self.is_stopping() && InstanceId::BOTH.iter().all(|&id| self.is_given_up(id)) {
            self.actions.push(Action::GiveUp);
        }
    }
}
