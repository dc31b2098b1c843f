//! What the control thread and the lanes share.

use crate::ring::Frame;
use crate::switch::{Plan, UplinkPort};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vhost_transfer::ledger::{Gate, Tenure};
use vhost_transfer::message::Poll;
use vhost_transfer::{InstanceId, Ledger, PortId, Term};

/// What a lane tells the control thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneEvent {
    /// All lanes have their locks and run.
    Began(Tenure),
    /// All lanes have let go of their locks in this term.
    Released {
        /// The term that ended.
        term: Term,
        /// Packets that were taken from the uplink after steering.
        drained: u64,
    },
    /// The first packet of a term has been forwarded.
    FirstPacket {
        /// The term.
        term: Term,
        /// From its first round on, ns.
        after_ns: u64,
    },
    /// A lane that lets go has not seen its last packets leave the uplink.
    Unsent,
    /// A lane does not wait for its lock any more.
    Rests,
    /// A lane has come upon guest memory that is not there any more.
    MemoryLost,
    /// A lane cannot go on.
    Failed(&'static str),
}

/// A packet that the switch itself sends.
#[derive(Debug)]
pub struct Injection {
    /// The port by which it seems to come in.
    pub from: PortId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The one object that lanes and control thread have in common.
#[derive(Debug)]
pub struct Shared {
    /// Which of the two this is.
    pub instance: InstanceId,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The uplink, if the switch has one.
    pub uplink: Option<Arc<UplinkPort>>,
    /// How lanes wait for work.
    pub poll: Poll,
    /// Seconds after which a silent address is forgotten.
    pub aging: u32,
    /// How long the uplink must stay empty before it counts as drained.
    pub drain: Duration,
    /// Begins the terms.
    pub gate: Gate,
    /// Lanes may take the locks.
    pub contend: AtomicBool,
    /// A handover is near: no naps.
    pub alert: AtomicBool,
    /// The lanes have let go in a handover that is not known to be over. Should it be undone the NIC is
    /// steered back at once, so what the uplink holds is for this instance.
    pub keeps_uplink: AtomicBool,
    /// Lanes leave.
    pub stop: AtomicBool,
    /// What lanes are to do wrong.
    #[cfg(feature = "fault-injection")]
    pub faults: super::Faults,
    /// Packets drained from the uplink in this handover.
    pub(super) drained: AtomicU64,
    /// The last term in which a packet was forwarded.
    forwarded_in: AtomicU64,
    plan: Mutex<Arc<Plan>>,
    generation: AtomicU64,
    injections: Mutex<Vec<Injection>>,
    has_injections: AtomicBool,
    events: Mutex<Sender<LaneEvent>>,
    waker: mio::Waker,
}

/// What [`Shared`] is made of.
#[derive(Debug)]
pub struct SharedParts {
    /// Which of the two this is.
    pub instance: InstanceId,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The uplink.
    pub uplink: Option<Arc<UplinkPort>>,
    /// How lanes wait for work.
    pub poll: Poll,
    /// Address aging, seconds.
    pub aging: u32,
    /// See [`Shared::drain`].
    pub drain: Duration,
    /// Number of lanes.
    pub lanes: u16,
    /// Where events go.
    pub events: Sender<LaneEvent>,
    /// Wakes the control thread after an event.
    pub waker: mio::Waker,
}

impl Shared {
    /// Nothing is served yet, and no lane may take a lock yet.
    pub fn new(parts: SharedParts) -> Self {
        Self {
            instance: parts.instance,
            ledger: parts.ledger,
            uplink: parts.uplink,
            poll: parts.poll,
            aging: parts.aging,
            drain: parts.drain,
            gate: Gate::new(parts.lanes),
            contend: AtomicBool::new(false),
            alert: AtomicBool::new(false),
            keeps_uplink: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            #[cfg(feature = "fault-injection")]
            faults: super::Faults::default(),
            drained: AtomicU64::new(0),
            forwarded_in: AtomicU64::new(0),
            plan: Mutex::default(),
            generation: AtomicU64::new(1),
            injections: Mutex::default(),
            has_injections: AtomicBool::new(false),
            events: Mutex::new(parts.events),
            waker: parts.waker,
        }
    }

    /// The plan, and its generation.
    pub fn plan(&self) -> (Arc<Plan>, u64) {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&plan), self.generation())
    }

    /// The generation of the plan that is in force.
    pub fn generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }

    /// Puts a plan in force; the generation that lanes must have seen before the old one is gone.
    pub(super) fn replace(&self, change: impl FnOnce(&Plan) -> Plan) -> (u64, Arc<Plan>) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Arc::new(change(&plan));
        let old = std::mem::replace(&mut *plan, new);
        (self.generation.fetch_add(1, SeqCst) + 1, old)
    }

    /// Whether lanes may take guests' packets.
    pub(super) fn takes_from_guests(&self) -> bool {
        !self
            .uplink
            .as_ref()
            .is_some_and(|uplink| uplink.is_awaited())
    }

    /// Tells of the first packet of a term, whichever lane has it.
    pub(super) fn tell_of_packet(&self, term: Term, after_ns: u64) {
        if self.forwarded_in.fetch_max(term.0, Relaxed) < term.0 {
            self.tell(LaneEvent::FirstPacket { term, after_ns });
        }
    }

    /// Has the first lane send a packet.
    pub fn inject(&self, injection: Injection) {
        self.injections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(injection);
        self.has_injections.store(true, Release);
    }

    /// Takes the packets that are to be sent.
    pub(super) fn injections(&self) -> Vec<Injection> {
        if !self.has_injections.swap(false, Acquire) {
            return Vec::new();
        }
        std::mem::take(
            &mut *self
                .injections
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Tells the control thread. When it is gone the process is leaving anyway.
    pub(super) fn tell(&self, event: LaneEvent) {
        let _ = self
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(event);
        let _ = self.waker.wake();
    }
}

/// Lists the bytes of an injection as a frame.
pub(super) fn frame_of(injection: &Injection, frame: &mut Frame) {
    frame.clear();
    let at = std::ptr::NonNull::from(&injection.bytes[..]).cast();
    frame.push(crate::ring::Segment {
        at,
        len: injection.bytes.len() as u32,
    });
}
