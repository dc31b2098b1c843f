//! An instance says that its lanes run, asked for or not.

use super::{Life, Note, Phase, State};
use vhost_transfer::{InstanceId, Term};

impl State {
    pub(super) fn active_said(
        &mut self,
        id: InstanceId,
        term: Term,
        after_death: bool,
        freeze_ns: Option<u64>,
    ) {
        self.term = self.term.max(term);
        let releasing = self
            .handover
            .as_ref()
            .filter(|handover| matches!(handover.phase, Phase::Releasing { .. }))
            .map(|handover| handover.to);
        match releasing {
            Some(to) if to == id && !after_death => self.handed_over(freeze_ns),
            Some(to) if to != id && self.life(id) == Life::Active => self.taken_back(),
            _ => self.active_unasked(id, after_death),
        }
    }

    /// By order without a handover, or because the lanes before died: locks know before we do.
    fn active_unasked(&mut self, id: InstanceId, after_death: bool) {
        let other = id.other();
        match self.life(id) {
            Life::Activating => self.begin(id, None),
            Life::Arming | Life::Standby => {
                if self.life(other) == Life::Active && !after_death {
                    // By the release word of a supervisor before this one.
                    self.set_life(other, Life::Releasing);
                    self.keep_devices(other);
                } else if self.life(other).is_alive() && self.life(other).owns() {
                    self.set_life(other, Life::Leaving);
                }
                self.begin(id, Some(other));
            }
            Life::Warm | Life::Releasing if !self.life(other).owns() => self.begin(id, None),
            Life::Spawned | Life::Greeted | Life::Warm | Life::Releasing => {
                self.drop_instance(id, "took lanes that it was not to take".into());
            }
            Life::Active | Life::Absent | Life::Leaving => {}
        }
    }

    fn begin(&mut self, instance: InstanceId, after: Option<InstanceId>) {
        self.set_life(instance, Life::Active);
        self.own_devices(instance);
        let term = self.term;
        self.note(Note::Began {
            instance,
            term,
            after,
        });
    }
}
