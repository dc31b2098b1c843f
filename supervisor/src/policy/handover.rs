//! A planned move, step by step.
//!
//! Prepare the standby; quiesce the active one; steer; write the release word, which commits; hear
//! from the new active one; let the old one stand by. What goes wrong before the release word is
//! undone ([`super::abort`]).
//!
//! Nobody confirms that a device is gone. So when the standby was told of one after `Prepare`, as it
//! always is with `reconnect`, it is told to prepare once more: its `Prepared` comes after.

use super::{Action, Life, Order, Outcome, Promoted, Request, State};
use vhost_transfer::{InstanceId, Term};

/// Why a handover was begun.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Cause {
    /// An operator asked for it.
    Asked(Request),
    /// The active one's uplink is bad, in these words.
    Uplink(String),
}

/// A handover under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handover {
    /// Why.
    pub cause: Cause,
    /// The active one.
    pub from: InstanceId,
    /// The standby that is to become active.
    pub to: InstanceId,
    /// The term that it leads to.
    pub term: Term,
    /// The vhost-user connections are closed and opened again.
    pub reconnect: bool,
    /// How far it is.
    pub phase: Phase,
    /// Who was told to prepare or to quiesce, and must hear of an abort.
    pub(super) asked: Vec<InstanceId>,
}

/// Where a handover stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The standby gets ready.
    Preparing,
    /// The active one finishes what it has begun with the front ends.
    Quiescing {
        /// It has; only the standby has still to map the last devices.
        done: bool,
    },
    /// The NIC is told to deliver to the standby.
    Steering,
    /// The release word is written: no way back but the old lanes' own, and that the new one dies.
    Releasing {
        /// The old one has let go, with so many packets drained.
        drained: Option<u64>,
    },
    /// The new one is active; the old one becomes the spare.
    Settling {
        /// Length of the freeze, ns.
        freeze_ns: Option<u64>,
        /// The old one has let go, with so many packets drained.
        drained: Option<u64>,
    },
    /// It is being undone.
    Aborting {
        /// Why.
        reason: String,
        /// Packets that the standby had already got.
        discarded: u64,
        /// The NIC was not steered to the standby, or that one has told; if it has died instead, what
        /// it had got is counted elsewhere when the NIC delivers nothing more to it.
        discarded_is_known: bool,
        /// The old one has said that it let go, and not yet that its lanes run again.
        let_go: bool,
        /// Whoever has not confirmed it by now is waited for no longer.
        overdue: bool,
    },
}

impl State {
    pub(super) fn promote(&mut self, request: Request, reconnect: bool) {
        match self.find_handover() {
            Ok((from, to)) => self.begin_handover(from, to, Cause::Asked(request), reconnect),
            Err(reason) => {
                let refused = Outcome::Refused { reason };
                self.actions.push(Action::Answer(request, refused));
            }
        }
    }

    pub(super) fn begin_handover(
        &mut self,
        from: InstanceId,
        to: InstanceId,
        cause: Cause,
        reconnect: bool,
    ) {
        self.handover = Some(Handover {
            cause,
            from,
            to,
            term: self.term.next(),
            reconnect,
            phase: Phase::Preparing,
            asked: Vec::new(),
        });
        self.prepare();
    }

    /// From whom to whom, or why not now.
    pub(super) fn find_handover(&self) -> Result<(InstanceId, InstanceId), String> {
        if self.is_stopping() {
            return Err("the supervisor is stopping".into());
        }
        if self.pinned {
            return Err("nothing moves while it is pinned: `vswsup unpin` first".into());
        }
        if let Some(handover) = &self.handover {
            return Err(format!("a move to term {} is under way", handover.term));
        }
        let from = self.active().ok_or("no instance is active")?;
        let to = from.other();
        self.check_spare(to)?;
        if let Some(id) = self.find_owing(self.term.next()) {
            return Err(format!("{id} has not confirmed the last abort yet"));
        }
        if self.steering.on() != Some(from) {
            let trouble = self.steering.trouble().unwrap_or("it is being steered");
            return Err(format!("the NIC does not deliver to {from}: {trouble}"));
        }
        Ok((from, to))
    }

    fn check_spare(&self, to: InstanceId) -> Result<(), String> {
        let instance = self.instance(to);
        if instance.life != Life::Standby {
            let trouble = instance.trouble.as_deref().unwrap_or("it is starting");
            return Err(format!("{to} is no warm standby: {trouble}"));
        }
        if !instance.has_mapped_all() {
            return Err(format!(
                "{to} has not mapped the newest state of every device yet"
            ));
        }
        if self.is_no_spare(to) {
            return Err(format!("the uplink of {to} is {}", self.uplink(to)));
        }
        Ok(())
    }

    /// The handover to `term`, if `id` is the one of it that `side` picks.
    fn handover_of(
        &mut self,
        id: InstanceId,
        term: Term,
        side: fn(&Handover) -> InstanceId,
    ) -> Option<&mut Handover> {
        self.handover
            .as_mut()
            .filter(|handover| handover.term == term && side(handover) == id)
    }

    pub(super) fn prepared(&mut self, id: InstanceId, term: Term) {
        let Some(handover) = self.handover_of(id, term, |handover| handover.to) else {
            return self.ignore(id, format!("prepared for term {term}"));
        };
        if handover.phase != Phase::Preparing {
            return;
        }
        if handover.asked.contains(&handover.from) {
            handover.phase = Phase::Quiescing { done: true };
        } else {
            self.quiesce();
        }
    }

    pub(super) fn quiesced(&mut self, id: InstanceId, term: Term) {
        let Some(handover) = self.handover_of(id, term, |handover| handover.from) else {
            return self.ignore(id, format!("quiesced for term {term}"));
        };
        if handover.phase == (Phase::Quiescing { done: false }) {
            handover.phase = Phase::Quiescing { done: true };
        }
    }

    fn prepare(&mut self) {
        if let Some(handover) = &mut self.handover {
            handover.phase = Phase::Preparing;
            handover.asked.retain(|&id| id != handover.to);
            handover.asked.push(handover.to);
            let (to, term) = (handover.to, handover.term);
            self.instance_mut(to).told_gone = false;
            self.tell(to, Order::Prepare(term));
        }
    }

    fn quiesce(&mut self) {
        if let Some(handover) = &mut self.handover {
            handover.phase = Phase::Quiescing { done: false };
            handover.asked.push(handover.from);
            let (from, term, reconnect) = (handover.from, handover.term, handover.reconnect);
            self.tell(from, Order::Quiesce { term, reconnect });
        }
    }

    pub(super) fn refused(&mut self, id: InstanceId, term: Term, reason: String) {
        let Some(handover) = self.handover.as_ref().filter(|move_| move_.term == term) else {
            return self.ignore(id, format!("refused term {term}"));
        };
        if handover.is_before_steering() {
            self.abort(format!("{id} refused: {reason}"));
        }
    }

    pub(super) fn steered_for_handover(&mut self, on: InstanceId) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        if handover.phase == Phase::Steering && handover.to == on {
            handover.phase = Phase::Releasing { drained: None };
            self.actions.push(Action::ReleaseFor(handover.term));
        }
    }

    pub(super) fn released(&mut self, id: InstanceId, term: Term, packets: u64) {
        if let Some(handover) = self.handover_of(id, term, |handover| handover.from) {
            match &mut handover.phase {
                Phase::Releasing { drained } | Phase::Settling { drained, .. } => {
                    *drained = Some(packets);
                }
                Phase::Preparing | Phase::Quiescing { .. } | Phase::Steering => {}
                Phase::Aborting { let_go, .. } => *let_go = true,
            }
        }
        if self.life(id) == Life::Releasing {
            self.set_life(id, Life::Warm);
        } else if self.life(id) == Life::Active
            && self.handover.is_none()
            && self.instance(id).revoked != Some(term)
        {
            // A supervisor before this one had written the release word.
            self.set_life(id, Life::Warm);
            self.keep_devices(id);
        }
    }

    /// The lanes of the new one run: the roles swap.
    pub(super) fn handed_over(&mut self, freeze_ns: Option<u64>) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let (from, to) = (handover.from, handover.to);
        let Phase::Releasing { drained } = handover.phase else {
            return;
        };
        handover.phase = Phase::Settling { freeze_ns, drained };
        if self.life(from) == Life::Active {
            let released = drained.map_or(Life::Releasing, |_| Life::Warm);
            self.set_life(from, released);
            self.keep_devices(from);
        }
        self.set_life(to, Life::Active);
        self.own_devices(to);
    }

    /// Takes a handover as far as the state of the two instances allows.
    pub(super) fn go_on(&mut self) {
        let Some(handover) = self.handover.clone() else {
            return;
        };
        let (from, to) = (self.life(handover.from), self.life(handover.to));
        match handover.phase {
            Phase::Settling { freeze_ns, drained } => match (to, from) {
                (Life::Active, Life::Releasing | Life::Warm | Life::Arming)
                    if !self.is_stopping() => {}
                (Life::Active, _) => self.promoted(&handover, freeze_ns, drained),
                _ => self.degraded(format!("{} after it took over", self.fate(handover.to))),
            },
            Phase::Releasing { .. } => match (from, to) {
                (Life::Active, Life::Absent) => self.revoke(),
                (Life::Active, _) | (_, Life::Standby) => {}
                (_, Life::Active) => self.degraded(self.fate(handover.from)),
                _ => self.degraded(format!(
                    "{}, and {}",
                    self.fate(handover.from),
                    self.fate(handover.to)
                )),
            },
            _ if from != Life::Active => self.degraded(self.fate(handover.from)),
            Phase::Aborting { .. } => self.end_abort_if_settled(),
            _ if to != Life::Standby => self.abort(self.fate(handover.to)),
            Phase::Quiescing { done: true } if self.instance(handover.to).has_mapped_all() => {
                if self.instance(handover.to).told_gone {
                    self.prepare();
                } else {
                    self.set_phase(Phase::Steering);
                }
            }
            Phase::Steering if !self.instance(handover.to).has_mapped_all() => {
                self.abort(format!(
                    "{} changed a device after it quiesced",
                    handover.from
                ));
            }
            Phase::Quiescing { .. } | Phase::Preparing | Phase::Steering => {}
        }
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Some(handover) = &mut self.handover {
            handover.phase = phase;
        }
    }

    fn promoted(&mut self, handover: &Handover, freeze_ns: Option<u64>, drained: Option<u64>) {
        self.finish(Outcome::Promoted(Promoted {
            from: handover.from,
            to: handover.to,
            term: handover.term,
            freeze_ns,
            drained: drained.unwrap_or(0),
            spare: self.life(handover.from) == Life::Standby,
        }));
    }

    pub(super) fn degraded(&mut self, reason: String) {
        let discarded = 0;
        self.finish(Outcome::Degraded { reason, discarded });
    }

    /// The one place where a handover ends.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        if let Some(handover) = self.handover.take() {
            self.actions.push(match handover.cause {
                Cause::Asked(request) => Action::Answer(request, outcome),
                Cause::Uplink(_) => Action::Moved(outcome),
            });
        }
    }

    /// What became of an instance that is not what it should be.
    pub(super) fn fate(&self, id: InstanceId) -> String {
        let trouble = self.instance(id).trouble.as_deref();
        format!("{id} was lost: {}", trouble.unwrap_or("its lanes died"))
    }
}

impl Handover {
    /// Nothing has been moved yet, and an instance may still refuse.
    pub(super) fn is_before_steering(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Quiescing { .. })
    }
}
