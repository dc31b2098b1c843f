//! What a stretch of time showed in which something died.

use super::Tally;
#[cfg(doc)]
use crate::emulator::Twins;
use crate::emulator::{Nanos, Window};

/// One flow meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowObserved {
    /// Its frames.
    pub tally: Tally,
    /// Its longest gap.
    pub blackout: Nanos,
    /// From the start of the window to the end of its first gap that was longer than
    /// [`FlowObserved::pause`]: when it went on. 0 without one.
    pub back: Nanos,
    /// For how long at least the NIC delivered its frames twice ([`Twins::span`]).
    pub twice: Nanos,
    /// All its gaps together that were longer than [`FlowObserved::pause`].
    pub outage: Nanos,
}

impl FlowObserved {
    /// The longest gap of a flow of `rate` frames a second to which nothing happens, in nanoseconds: ten
    /// frames' time.
    pub fn pause(rate: u32) -> Nanos {
        10_000_000_000 / Nanos::from(rate)
    }
}

/// What happened from before a death until the system was whole again.
#[derive(Clone, Debug)]
pub struct Observed {
    /// By flow, in the order of [`super::FLOWS`].
    pub flows: Vec<FlowObserved>,
    /// Frames a second of each.
    pub rate: u32,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// From before the death until every flow had gone on.
    pub window: Window,
    /// Terms begun.
    pub terms: u64,
    /// The longest time in which the instrument itself did not run: times may be longer by it.
    pub stall: Nanos,
    /// Why the counts of frames say nothing about the switch, if so: the instrument itself failed.
    pub void: Option<String>,
}

impl Observed {
    /// The longest gap of any flow.
    pub fn blackout(&self) -> Nanos {
        self.flows
            .iter()
            .map(|flow| flow.blackout)
            .max()
            .unwrap_or(0)
    }

    /// All flows together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.flows.iter().for_each(|flow| total += flow.tally);
        total
    }
}
