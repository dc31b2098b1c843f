//! A handover that does not come to its end.

use super::{Action, Life, Order, Outcome, Phase, State};
use vhost_transfer::{InstanceId, Term};

impl State {
    /// Undoes the handover: whoever was asked something is told that it is off, and the NIC is
    /// steered back. It ends when both have confirmed, so that no late word of this handover can be
    /// taken for one of the next, which leads to the same term.
    pub(super) fn abort(&mut self, reason: String) {
        let Some(handover) = &self.handover else {
            return;
        };
        match handover.phase {
            Phase::Preparing | Phase::Quiescing { .. } | Phase::Steering => {
                let asked = handover.asked.clone();
                self.begin_abort(reason, &asked);
            }
            Phase::Releasing { .. } | Phase::Settling { .. } | Phase::Aborting { .. } => {}
        }
    }

    /// The old lanes took their locks back, since the new ones did not come.
    pub(super) fn taken_back(&mut self) {
        if let Some(handover) = &self.handover {
            let (from, to) = (handover.from, handover.to);
            let reason = format!("{to} did not take the lanes, and {from} took them back");
            self.begin_abort(reason, &[to]);
        }
    }

    /// The new one has died before its lanes ran, or before it could say so. The old one goes on, or takes
    /// the lanes back, without waiting for it any longer.
    pub(super) fn revoke(&mut self) {
        let Some(handover) = &self.handover else {
            return;
        };
        let (from, to, term) = (handover.from, handover.to, handover.term);
        let has_let_go = matches!(handover.phase, Phase::Releasing { drained: Some(_) });
        self.actions.push(Action::Revoke(term));
        self.instance_mut(from).revoked = Some(term);
        self.begin_abort(self.fate(to), &[from]);
        self.note_let_go(has_let_go);
    }

    /// Whether the old one has yet to say that its lanes run again.
    pub(super) fn note_let_go(&mut self, has_let_go: bool) {
        if let Some(handover) = &mut self.handover
            && let Phase::Aborting { let_go, .. } = &mut handover.phase
        {
            *let_go = has_let_go;
        }
    }

    pub(super) fn strayed(&mut self, packets: u64) {
        if let Some(handover) = &mut self.handover
            && let Phase::Aborting {
                discarded,
                discarded_is_known,
                ..
            } = &mut handover.phase
        {
            *discarded_is_known = true;
            *discarded = discarded.saturating_add(packets);
        }
    }

    fn begin_abort(&mut self, reason: String, asked: &[InstanceId]) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let term = handover.term;
        handover.phase = Phase::Aborting {
            let_go: false,
            overdue: false,
            reason,
            discarded: 0,
            discarded_is_known: handover.is_before_steering(),
        };
        for &id in asked {
            self.tell_abort(id, term);
        }
    }

    fn tell_abort(&mut self, id: InstanceId, term: Term) {
        if self.life(id).is_told() {
            self.instance_mut(id).owes_aborted = Some(term);
            self.tell(id, Order::Abort(term));
        }
    }

    pub(super) fn aborted(&mut self, id: InstanceId, term: Term, packets: u64) {
        let instance = self.instance_mut(id);
        if instance.owes_aborted != Some(term) {
            return self.ignore(id, format!("aborted term {term}"));
        }
        instance.owes_aborted = None;
        if let Some(handover) = &mut self.handover
            && let Phase::Aborting {
                discarded,
                discarded_is_known,
                ..
            } = &mut handover.phase
        {
            *discarded_is_known |= id == handover.to;
            *discarded = discarded.saturating_add(packets);
        }
    }

    pub(super) fn find_owing(&self, term: Term) -> Option<InstanceId> {
        InstanceId::BOTH
            .into_iter()
            .find(|&id| self.instance(id).owes_aborted == Some(term))
    }

    pub(super) fn end_abort_if_settled(&mut self) {
        let Some(handover) = &self.handover else {
            return;
        };
        let Phase::Aborting {
            discarded_is_known,
            let_go: false,
            overdue,
            ..
        } = handover.phase
        else {
            return;
        };
        let (from, to, term) = (handover.from, handover.to, handover.term);
        let back = self.steering.on() == Some(from);
        let will_tell = self.instance(to).owes_aborted.is_some() && !overdue;
        let is_undone = (back || self.steering.failed_for(from)) && self.find_owing(term).is_none();
        if back && !discarded_is_known && !will_tell {
            self.actions.push(Action::CountStray(to));
        } else if is_undone || overdue {
            self.end_abort();
        }
    }

    /// A standby that does not confirm is of no use. The active one still serves; it is only not
    /// asked for this term again.
    pub(super) fn abort_timed_out(&mut self, reason: &str) {
        let Some(handover) = &self.handover else {
            return;
        };
        let (from, to, term) = (handover.from, handover.to, handover.term);
        let has_let_go = matches!(handover.phase, Phase::Aborting { let_go: true, .. });
        if self.instance(to).owes_aborted == Some(term) {
            self.drop_instance(to, reason.into());
        }
        if has_let_go {
            self.set_life(from, Life::Warm);
            self.keep_devices(from);
            self.degraded(format!("{from} let go of the lanes, and nobody took them"));
        } else if let Some(handover) = &mut self.handover
            && let Phase::Aborting { overdue, .. } = &mut handover.phase
        {
            *overdue = true;
        }
    }

    fn end_abort(&mut self) {
        let Some(handover) = &self.handover else {
            return;
        };
        let from = handover.from;
        let Phase::Aborting {
            reason, discarded, ..
        } = handover.phase.clone()
        else {
            return;
        };
        let back = self.steering.on() == Some(from);
        self.finish(if back {
            Outcome::Failed { reason, discarded }
        } else {
            let trouble = self.steering.trouble().unwrap_or("it is being steered");
            let reason = format!("{reason}; and the NIC does not deliver to {from}: {trouble}");
            Outcome::Degraded { reason, discarded }
        });
    }

    pub(super) fn steering_failed_in_handover(&mut self, to: InstanceId, reason: &str) {
        let steering = self
            .handover
            .as_ref()
            .is_some_and(|handover| handover.phase == Phase::Steering && handover.to == to);
        if steering {
            self.abort(format!("steering to {to} failed: {reason}"));
        }
    }

    /// The release word is written and nobody says that the lanes run. Whoever holds them up is
    /// killed: the kernel gives the lanes to the other one.
    pub(super) fn release_failed(&mut self, reason: &str) {
        let Some(handover) = &self.handover else {
            return;
        };
        let (from, to) = (handover.from, handover.to);
        if handover.phase == (Phase::Releasing { drained: None }) {
            self.drop_instance(from, format!("{reason}: it did not let go"));
        } else {
            self.drop_instance(to, format!("{reason}: it did not take them"));
            if self.life(from) == Life::Active {
                self.set_life(from, Life::Warm);
                self.keep_devices(from);
            }
        }
        self.degraded(reason.into());
    }
}
