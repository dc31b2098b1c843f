//! The instance's part in taking and giving the switch.

use super::fault::{self, Phase};
use super::instance::Instance;
use crate::lane::Shared;
use crate::port::VhostPort;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::{Duration, Instant};
use vhost_transfer::Term;
use vhost_transfer::ledger::{Predecessor, Tenure};
use vhost_transfer::message::{Aborted, Active, FromInstance, Quiesce, Refused, Released, TermRef};
use vhost_transfer::on_time::{self, Slices};

/// The longest that a handover waits for page tables; lanes fault in the rest.
const PREFILL_LIMIT: Duration = Duration::from_millis(1500);
/// Filling threads do not tell when they are done.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What the instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stance {
    /// Started; its lanes take no lock.
    Warm,
    /// Its lanes wait for the lane locks.
    Standby,
    /// As `Standby`, and page tables are filled for a handover.
    Preparing {
        /// The term that the handover leads to.
        term: Term,
        /// When it goes on with what is filled by then.
        until: Instant,
    },
    /// Its lanes run.
    Active,
    /// As `Active`, and no further vhost-user message is begun; `answered` once the last one is done.
    Quiescing {
        /// The term that the handover leads to.
        term: Term,
        /// The supervisor has been told.
        answered: bool,
    },
}

impl Stance {
    /// Whether the ports listen to their front ends.
    pub(super) fn serves(self) -> bool {
        self == Self::Active
    }

    /// Whether the lanes have their locks: then orders for a mirror are out of date.
    pub(super) fn owns(self) -> bool {
        match self {
            Self::Active | Self::Quiescing { .. } => true,
            Self::Warm | Self::Standby | Self::Preparing { .. } => false,
        }
    }
}

impl Instance {
    /// The lanes may take the locks when they become free.
    pub(super) fn stand_by(&mut self) {
        self.stands_down = false;
        self.host.lanes.contend();
        if self.stance == Stance::Warm {
            self.stance = Stance::Standby;
        }
        self.let_uplink_go_if_succeeded();
        self.discard_strays();
        self.host.say(FromInstance::StandingBy);
    }

    /// A standby empties its uplink of packets that strayed into it, such as those that a packet
    /// socket got before it was bound: should the other instance die, they would be taken for new
    /// ones. In a handover the NIC may be steered here already; once a lane has its lock it is.
    pub(super) fn discard_strays(&self) {
        let shared = &self.host.lanes.shared;
        let may_be_steered_to = shared.alert.load(Acquire) || shared.keeps_uplink.load(Acquire);
        if self.stance == Stance::Standby && !may_be_steered_to {
            discard_uplink(shared);
        }
    }

    /// The handover in which the lanes let go is over, unless nobody has taken them since.
    pub(super) fn let_uplink_go_if_succeeded(&self) {
        let shared = &self.host.lanes.shared;
        if self.let_go_in != Some(shared.ledger.handover().term()) {
            shared.keeps_uplink.store(false, Release);
        }
    }

    /// The lanes are to wait for the locks no longer. One that has just got its lock begins all the same.
    pub(super) fn stand_down(&mut self) {
        if self.stance.owns() {
            return;
        }
        self.host.lanes.stand_down();
        self.stands_down = true;
    }

    /// Who was standing down is needed: by its guests, or by a pair without a supervisor. Lanes that let
    /// go and find no successor must come back.
    pub(super) fn contend_on(&mut self) {
        if std::mem::take(&mut self.stands_down) {
            self.host.lanes.contend();
        }
    }

    /// Says that the lanes rest, when they do and have told nothing before that says otherwise.
    pub(super) fn stood_down_when(&mut self, rest: bool) {
        if !self.stands_down || self.stance.owns() || !rest {
            return;
        }
        self.stands_down = false;
        self.stance = Stance::Warm;
        self.host.say(FromInstance::StoodDown);
    }

    /// Tries all that could fail later, and begins to fill page tables.
    pub(super) fn prepare(&mut self, term: Term) {
        if let Err(reason) = self.try_prepare(term) {
            return self
                .host
                .say(FromInstance::Refused(Refused { term, reason }));
        }
        self.guardian.begins_handover();
        for port in self.ports.values_mut() {
            port.prefill();
            port.forget_old_events();
        }
        let until = Instant::now() + PREFILL_LIMIT;
        self.stance = Stance::Preparing { term, until };
    }

    fn try_prepare(&self, term: Term) -> Result<(), String> {
        fault::at(self.id, Phase::Prepare)?;
        match self.stance {
            Stance::Standby | Stance::Preparing { .. } => {}
            Stance::Warm | Stance::Active | Stance::Quiescing { .. } => {
                return Err(format!(
                    "instance {} is no standby, it is {:?}",
                    self.id, self.stance
                ));
            }
        }
        let expected = self.host.lanes.shared.ledger.handover().term().next();
        if term != expected {
            return Err(format!(
                "term {term} was asked for, and the next one is {expected}"
            ));
        }
        Ok(())
    }

    /// Says that it is prepared as soon as page tables are as full as they get in time, and empties
    /// the uplink of what strayed into it.
    pub(super) fn prepared_when_filled(&mut self) {
        let Stance::Preparing { term, until } = self.stance else {
            return;
        };
        if Instant::now() < until && !self.ports.values().all(VhostPort::is_prefilled) {
            return;
        }
        self.stance = Stance::Standby;
        let shared = &self.host.lanes.shared;
        discard_uplink(shared);
        shared.alert.store(true, Release);
        self.host.say(FromInstance::Prepared(TermRef { term }));
        fault::after(self.id, Phase::Prepared);
    }

    /// When the control thread has to look after a handover that nobody wakes it for.
    pub(super) fn next_look(&self) -> Option<Instant> {
        match self.stance {
            Stance::Preparing { .. } => Some(Instant::now() + LOOK_EVERY),
            Stance::Warm | Stance::Standby | Stance::Active | Stance::Quiescing { .. } => None,
        }
    }

    /// Finishes what is begun and begins nothing.
    pub(super) fn quiesce(&mut self, quiesce: Quiesce) {
        let term = quiesce.term;
        let refusal = match fault::at(self.id, Phase::Quiesce) {
            Ok(()) if self.stance == Stance::Active => None,
            Ok(()) => Some(format!(
                "instance {} is not active, it is {:?}",
                self.id, self.stance
            )),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = refusal {
            return self
                .host
                .say(FromInstance::Refused(Refused { term, reason }));
        }
        self.guardian.begins_handover();
        self.serve_ports(false);
        if quiesce.reconnect {
            self.close_connections();
        }
        self.host.lanes.shared.alert.store(true, Release);
        self.stance = Stance::Quiescing {
            term,
            answered: false,
        };
    }

    /// Says that it is quiet as soon as no message is half done.
    pub(super) fn quiesced_when_settled(&mut self) {
        let Stance::Quiescing {
            term,
            answered: false,
        } = self.stance
        else {
            return;
        };
        if self.ports.values().all(|port| port.is_settled()) {
            self.stance = Stance::Quiescing {
                term,
                answered: true,
            };
            self.host.say(FromInstance::Quiesced(TermRef { term }));
        }
    }

    /// Goes on as before the handover.
    pub(super) fn abort(&mut self, term: Term) {
        let shared = &self.host.lanes.shared;
        let was_prepared = shared.alert.swap(false, AcqRel);
        let discarded = match self.stance {
            Stance::Standby if was_prepared => discard_uplink(shared),
            // It let go, and is about to take the lanes back with all that its uplink has.
            Stance::Standby => 0,
            Stance::Preparing { .. } => {
                self.stance = Stance::Standby;
                0
            }
            Stance::Quiescing { .. } => {
                self.stance = Stance::Active;
                self.serve_ports(true);
                0
            }
            Stance::Warm | Stance::Active => 0,
        };
        self.undo_move_of_uplink();
        self.host
            .say(FromInstance::Aborted(Aborted { term, discarded }));
    }

    /// The lanes run: this instance is active, by order or because the other one died.
    pub(super) fn lanes_began(&mut self, tenure: Tenure) {
        self.stance = Stance::Active;
        self.contend_on();
        self.host.lanes.shared.alert.store(false, Release);
        let after_death = tenure.predecessor == Predecessor::Died;
        let freeze_ns = self.freeze_before(tenure);
        self.host.say(FromInstance::Active(Active {
            term: tenure.term,
            after_death,
            freeze_ns,
        }));
        self.signal_calls(after_death);
        fault::after(self.id, Phase::Began);
        if after_death {
            // The lanes have put it before others, and what was waited for is done.
            let _ = on_time::wake_at_once(Slices::Waiting);
        }
        self.close_lost_devices();
        self.serve_ports(true);
        self.see_to_uplink(tenure);
    }

    /// At once if signals are missing, else little by little.
    fn signal_calls(&mut self, at_once: bool) {
        let served = self.host.served();
        match at_once {
            true => self.host.signal_calls(&served),
            false => self.signals.owe(served.into_iter(), Instant::now()),
        }
    }

    /// Gives some of the signals that are owed, if it is time.
    pub(super) fn signal_some(&mut self) {
        self.host.signal_calls(&self.signals.due(Instant::now()));
    }

    /// The lanes have let go.
    pub(super) fn lanes_released(&mut self, term: Term, drained: u64) {
        self.signals.forget();
        self.serve_ports(false);
        self.stance = Stance::Standby;
        self.let_go_in = Some(term);
        self.host.lanes.shared.alert.store(false, Release);
        self.host.say(FromInstance::Released(Released {
            term: term.next(),
            drained,
        }));
    }

    /// From the first lane's release, or its last sign of life, to the last lane's resumption, ns.
    fn freeze_before(&self, tenure: Tenure) -> Option<u64> {
        if tenure.term <= Term(1) {
            return None;
        }
        let slots = || self.host.lanes.slots();
        let released = slots().map(|slot| slot.released_at()).min()?;
        let resumed = slots().map(|slot| slot.resumed_at()).max()?;
        resumed.checked_sub(released)
    }

    fn close_connections(&mut self) {
        for port in self.ports.values_mut() {
            port.close("promoted with --reconnect", &mut self.host);
        }
    }
}

/// Packets that the NIC delivered to an instance which does not own the switch.
fn discard_uplink(shared: &Shared) -> u64 {
    // Once a lane has its lock, what comes is for this instance.
    let rests = shared.gate.is_empty();
    let uplink = shared.uplink.as_ref().filter(|_| rests);
    uplink.map_or(0, |uplink| uplink.discard())
}
