//! An instance says that its lanes run, asked for or not.

use super::{Life, Note, Phase, State};
use vhost_transfer::{InstanceId, Term};

/// What an instance says of the beginning of its term.
#[derive(Debug, Clone, Copy)]
struct Beginning {
    after_death: bool,
    freeze_ns: Option<u64>,
}

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
            _ => {
                let beginning = Beginning {
                    after_death,
                    freeze_ns,
                };
                self.active_unasked(id, beginning);
            }
        }
    }

    /// By order without a handover, or because the lanes before died: locks know before we do.
    fn active_unasked(&mut self, id: InstanceId, said: Beginning) {
        let other = id.other();
        match self.life(id) {
            Life::Activating => self.begin(id, None, said),
            Life::Arming | Life::Standby | Life::Disarming => {
                self.take_place_of(other, id, said);
            }
            // It had got the locks when it stood down.
            Life::Warm if said.after_death => self.take_place_of(other, id, said),
            Life::Warm | Life::Releasing if !self.life(other).owns() => {
                self.begin(id, None, said);
            }
            Life::Spawned | Life::Greeted | Life::Warm | Life::Releasing => {
                self.drop_instance(id, "took lanes that it was not to take".into());
            }
            Life::Active => self.note_let_go(false),
            Life::Absent | Life::Leaving => {}
        }
    }

    /// The other one has died, and may still be writing its core; or it let go by the release word
    /// of a supervisor before this one.
    fn take_place_of(&mut self, other: InstanceId, id: InstanceId, said: Beginning) {
        if self.life(other) == Life::Active && !said.after_death {
            self.set_life(other, Life::Releasing);
            self.keep_devices(other);
        } else if self.life(other).is_alive() && self.life(other).owns() {
            self.set_life(other, Life::Leaving);
            self.instance_mut(other).dumps = true;
        }
        self.begin(id, Some(other), said);
    }

    fn begin(&mut self, instance: InstanceId, after: Option<InstanceId>, said: Beginning) {
        self.set_life(instance, Life::Active);
        self.own_devices(instance);
        let term = self.term;
        self.note(Note::Began {
            instance,
            term,
            after,
            freeze_ns: said.freeze_ns,
        });
    }
}
