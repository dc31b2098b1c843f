//! Maintenance: nothing takes over by itself, and nobody is taken for hanging, until it is over.

use super::{Action, Life, Note, Order, Outcome, Request, State};
use vhost_transfer::InstanceId;

impl State {
    /// Automatic failover is switched off.
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// Answered when no lanes wait for the locks any more.
    pub(super) fn pin(&mut self, request: Request) {
        if let Some(reason) = self.why_not_pin() {
            let refused = Outcome::Refused { reason };
            return self.actions.push(Action::Answer(request, refused));
        }
        if !self.pinned {
            self.pinned = true;
            self.note(Note::Pinned(true));
        }
        self.pinning.insert(request);
        for id in InstanceId::BOTH {
            if matches!(self.life(id), Life::Standby | Life::Arming) {
                self.set_life(id, Life::Disarming);
                self.tell(id, Order::StandDown);
            }
        }
    }

    fn why_not_pin(&self) -> Option<String> {
        if self.is_stopping() {
            return Some("the supervisor is stopping".into());
        }
        if self.restart().is_some() {
            return Some("a move is under way: try again".into());
        }
        let handover = self.handover.as_ref()?;
        let term = handover.term;
        Some(format!("a move to term {term} is under way: try again"))
    }

    pub(super) fn unpin(&mut self, request: Request) {
        if self.pinned {
            self.pinned = false;
            self.note(Note::Pinned(false));
        }
        self.refuse_pins("it was unpinned meanwhile");
        self.actions.push(Action::Answer(request, Outcome::Done));
    }

    pub(super) fn stood_down(&mut self, id: InstanceId) {
        if self.life(id) != Life::Disarming {
            return self.ignore(id, "stood down, without being asked");
        }
        self.set_life(id, Life::Warm);
    }

    pub(super) fn answer_pins(&mut self) {
        if self.is_stopping() {
            return self.refuse_pins("the supervisor is stopping");
        }
        if self.find(Life::is_armed).is_some() {
            return;
        }
        for request in std::mem::take(&mut self.pinning) {
            self.actions.push(Action::Answer(request, Outcome::Done));
        }
    }

    fn refuse_pins(&mut self, reason: &str) {
        for request in std::mem::take(&mut self.pinning) {
            let reason = reason.into();
            let refused = Outcome::Refused { reason };
            self.actions.push(Action::Answer(request, refused));
        }
    }
}
