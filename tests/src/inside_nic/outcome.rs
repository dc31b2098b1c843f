//! What came of it.

use super::{Act, Done, Nic, Options};
use crate::failover::{FLOWS, Tally};

/// Rounds that may be void because the instrument itself did not run, and of so many one more.
const VOID_ROUNDS: u32 = 5;
const ROUNDS_FOR_EACH_VOID: u32 = 4;

/// Of all moves.
#[derive(Debug)]
pub struct Outcome {
    /// On which NIC.
    pub nic: Nic,
    /// Frames a second of each flow.
    pub rate: u32,
    /// By what was done.
    pub acts: Vec<ActOutcome>,
}

/// Of one kind of moves. Frames are those of rounds that are not void.
#[derive(Debug)]
pub struct ActOutcome {
    /// What was done.
    pub act: Act,
    /// How often it was to be.
    pub wanted: u32,
    /// How often it was.
    pub done: u32,
    /// How often it says nothing about frames, because the instrument itself failed; not among the done.
    pub void: u32,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// By flow, in the order of [`FLOWS`].
    pub flows: Vec<FlowOutcome>,
    /// Of promotes, µs.
    pub freezes: Vec<f64>,
    /// Everything that must not be.
    pub violations: Vec<String>,
}

/// Of one flow.
#[derive(Clone, Debug, Default)]
pub struct FlowOutcome {
    /// Its frames.
    pub tally: Tally,
    /// The longest gap around each move, ms.
    pub blackouts: Vec<f64>,
    /// From each move to the first frame after the first pause, ms.
    pub back: Vec<f64>,
}

impl Outcome {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            nic: options.nic,
            rate: options.rate,
            acts: vec![],
        }
    }

    /// Everything was done, and held.
    pub fn is_well(&self) -> bool {
        self.acts.iter().all(ActOutcome::is_well)
    }
}

impl ActOutcome {
    pub(super) fn new(act: Act, wanted: u32) -> Self {
        Self {
            act,
            wanted,
            done: 0,
            void: 0,
            disconnects: 0,
            flows: vec![FlowOutcome::default(); FLOWS.len()],
            freezes: vec![],
            violations: vec![],
        }
    }

    /// There is more to do, and the instrument is not to blame too often.
    pub(super) fn goes_on(&self) -> bool {
        self.done < self.wanted && !self.is_void()
    }

    /// The instrument failed in so many rounds that the others may have been chosen by it.
    pub fn is_void(&self) -> bool {
        self.void > VOID_ROUNDS + self.wanted / ROUNDS_FOR_EACH_VOID
    }

    /// Everything was done, and held.
    pub fn is_well(&self) -> bool {
        self.violations.is_empty() && self.done == self.wanted
    }

    pub(super) fn add(&mut self, done: &Done, broken: Vec<String>) {
        let number = self.done + 1;
        let broken = broken.into_iter();
        self.violations
            .extend(broken.map(|what| format!("{} {number}: {what}", self.act)));
        let observed = &done.observed;
        self.disconnects += observed.disconnects;
        if observed.void.is_some() {
            self.void += 1;
            return;
        }
        self.done = number;
        self.freezes.extend(done.freeze_us);
        for (flow, seen) in self.flows.iter_mut().zip(&observed.flows) {
            flow.tally += seen.tally;
            flow.blackouts.push(seen.blackout as f64 / 1e6);
            flow.back.push(seen.back as f64 / 1e6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Window;
    use crate::failover::{Bound, FlowObserved, Observed};
    use std::time::Duration;

    fn done(void: Option<&str>, lost: u64) -> Done {
        let mut flow = FlowObserved::default();
        (flow.tally.lost, flow.blackout, flow.back) = (lost, 2_000_000, 1_000_000);
        Done {
            observed: Observed {
                flows: vec![flow; FLOWS.len()],
                rate: 1000,
                disconnects: 0,
                window: Window::new(0, 1),
                terms: 1,
                stall: 0,
                void: void.map(str::to_owned),
            },
            bound: Bound::promote(Duration::ZERO),
            freeze_us: Some(300.0),
        }
    }

    fn add(outcome: &mut ActOutcome, done: &Done) {
        outcome.add(done, done.violations());
    }

    #[test]
    fn all_that_was_wanted_must_be_done_and_hold() {
        let mut outcome = ActOutcome::new(Act::Promote, 2);
        add(&mut outcome, &done(None, 0));
        assert!(outcome.goes_on() && !outcome.is_well());
        add(&mut outcome, &done(None, 0));
        assert!(!outcome.goes_on() && outcome.is_well());
        assert_eq!(outcome.flows[0].blackouts, [2.0, 2.0]);
        add(&mut outcome, &done(None, 1));
        assert_eq!((outcome.violations.len(), outcome.is_well()), (3, false));
    }

    #[test]
    fn void_rounds_are_repeated_until_there_are_too_many() {
        let mut outcome = ActOutcome::new(Act::Promote, 1);
        for _ in 0..=VOID_ROUNDS {
            assert!(outcome.goes_on());
            add(&mut outcome, &done(Some("it stalled"), 9));
        }
        assert!(outcome.is_void() && !outcome.goes_on() && !outcome.is_well());
        assert_eq!(outcome.flows[0].tally, Tally::default());
    }
}
