//! One instance at a time, for hosts that have memory for no more: a move stops the active one, and
//! starts the other when its process is gone. The vault brings the devices.

use super::{Action, Life, Order, Outcome, Promoted, Request, State};
use vhost_transfer::InstanceId;

/// A move under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Restart {
    /// Who asked.
    pub request: Request,
    /// The one that was active.
    pub from: InstanceId,
    /// The one that takes its place.
    pub to: InstanceId,
    /// Deaths of `from` in a row, to which this end does not belong.
    failures: u32,
}

impl State {
    /// The move under way, where there is no standby.
    pub fn restart(&self) -> Option<&Restart> {
        self.restart.as_ref()
    }

    /// There is no standby by design.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// A process for `id` would not be one too many.
    pub(super) fn has_room_for(&self, id: InstanceId) -> bool {
        !self.alone || self.life(id.other()) == Life::Absent
    }

    /// It is its turn: the other one has its place only when this one is given up, or has no uplink.
    pub(super) fn is_next(&self, id: InstanceId) -> bool {
        !self.alone || id == self.heir || self.is_given_up(self.heir) || self.is_held(self.heir)
    }

    pub(super) fn restart_as_other(&mut self, request: Request, reconnect: bool) {
        match self.find_restart(reconnect) {
            Ok(from) => {
                let to = from.other();
                self.restart = Some(Restart {
                    request,
                    from,
                    to,
                    failures: self.instance(from).failures,
                });
                self.heir = to;
                self.set_life(from, Life::Leaving);
                self.tell(from, Order::Stop);
            }
            Err(reason) => {
                let refused = Outcome::Refused { reason };
                self.actions.push(Action::Answer(request, refused));
            }
        }
    }

    fn find_restart(&self, reconnect: bool) -> Result<InstanceId, String> {
        if self.is_stopping() {
            return Err("the supervisor is stopping".into());
        }
        if self.pinned {
            return Err("nothing moves while it is pinned: `vswsup unpin` first".into());
        }
        if self.restart.is_some() {
            return Err("a move is under way".into());
        }
        if reconnect {
            return Err(
                "without a standby nobody could take the connections over meanwhile".into(),
            );
        }
        let from = self.active().ok_or("no instance is active")?;
        let to = from.other();
        if self.is_given_up(to) {
            return Err(format!("{to} is given up: `vswsup reload` first"));
        }
        if self.is_held(to) || self.is_worse_off(to) {
            return Err(format!("the uplink of {to} is {}", self.uplink(to)));
        }
        Ok(from)
    }

    /// The next one after the end of `id`: the same again, unless a move is under way.
    pub(super) fn heir_after(&mut self, id: InstanceId) -> InstanceId {
        let Some(restart) = self.restart else {
            return if self.alone { id } else { id.other() };
        };
        if restart.from == id {
            self.instance_mut(id).failures = restart.failures;
            return restart.to;
        }
        self.give_up_restart(&self.fate(restart.to));
        restart.from
    }

    fn give_up_restart(&mut self, trouble: &str) {
        if let Some(restart) = self.restart {
            self.end_restart(Outcome::Degraded {
                reason: format!("{trouble}; {} is started again", restart.from),
                discarded: 0,
            });
        }
    }

    /// It is over when the new one serves, or cannot.
    pub(super) fn go_on_with_restart(&mut self) {
        let Some(restart) = self.restart else {
            return;
        };
        if self.is_stopping() {
            return self.end_restart(Outcome::Failed {
                reason: "the supervisor is stopping".into(),
                discarded: 0,
            });
        }
        if self.is_held(restart.to) {
            self.heir = restart.from;
            let uplink = self.uplink(restart.to);
            return self.give_up_restart(&format!("the uplink of {} is {uplink}", restart.to));
        }
        if self.active() != Some(restart.to) {
            return;
        }
        if self.steering.on() == Some(restart.to) {
            self.end_restart(Outcome::Promoted(Promoted {
                from: restart.from,
                to: restart.to,
                term: self.term,
                freeze_ns: None,
                drained: 0,
                spare: false,
            }));
        } else if self.steering.failed_for(restart.to) {
            let trouble = self.steering.trouble().unwrap_or_default();
            let reason = format!("the NIC does not deliver to {}: {trouble}", restart.to);
            self.end_restart(Outcome::Degraded {
                reason,
                discarded: 0,
            });
        }
    }

    fn end_restart(&mut self, outcome: Outcome) {
        if let Some(restart) = self.restart.take() {
            self.actions.push(Action::Answer(restart.request, outcome));
        }
    }
}
