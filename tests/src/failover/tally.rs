//! What is counted, read while the flows go on.

use crate::emulator::{FlowCounters, Running};
use serde::Serialize;
use std::ops::{AddAssign, Sub};
use std::thread;
use std::time::Duration;

/// Between two readings that must agree.
const AGAIN: Duration = Duration::from_micros(200);

/// Frames of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Frames sent.
    pub sent: u64,
    /// Frames that later ones have overtaken, and that have not arrived.
    pub lost: u64,
    /// Arrivals of a frame that had arrived before.
    pub doubled: u64,
    /// First arrivals after a frame that was sent later.
    pub reordered: u64,
    /// Arrivals of a changed frame.
    pub corrupted: u64,
    /// Frames that the sender's own full ring did not take: never sent.
    pub refused: u64,
}

impl Tally {
    /// Of every flow, as of now.
    pub fn of(running: &Running) -> Vec<Self> {
        let now = |running: &Running| -> Vec<Self> {
            let flows = running.flows().iter();
            flows.map(|flow| Self::read(&flow.counters)).collect()
        };
        let steady = |one: &[Self], other: &[Self]| {
            let pairs = one.iter().zip(other);
            pairs
                .clone()
                .all(|(one, other)| one.faults() == other.faults())
        };
        let mut last = now(running);
        loop {
            thread::sleep(AGAIN);
            let again = now(running);
            if steady(&last, &again) {
                return again;
            }
            last = again;
        }
    }

    fn read(counters: &FlowCounters) -> Self {
        Self {
            sent: counters.sent.get(),
            lost: counters.missing(),
            doubled: counters.doubled.get(),
            reordered: counters.reordered.get(),
            corrupted: counters.corrupted.get(),
            refused: counters.refused.get(),
        }
    }

    fn faults(&self) -> [u64; 4] {
        [self.lost, self.doubled, self.reordered, self.corrupted]
    }

    fn map(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: both(self.sent, other.sent),
            lost: both(self.lost, other.lost),
            doubled: both(self.doubled, other.doubled),
            reordered: both(self.reordered, other.reordered),
            corrupted: both(self.corrupted, other.corrupted),
            refused: both(self.refused, other.refused),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = self.map(other, |one, other| one + other);
    }
}

impl Sub for Tally {
    type Output = Self;

    /// A frame that was late, not lost, is missing no more.
    fn sub(self, before: Self) -> Self {
        self.map(before, u64::saturating_sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_before_does_not_count_again() {
        let tally = |sent, lost| Tally {
            sent,
            lost,
            ..Tally::default()
        };
        assert_eq!(tally(100, 7) - tally(60, 5), tally(40, 2));
        let mut sum = tally(1, 0);
        sum += tally(40, 2);
        assert_eq!(sum, tally(41, 2));
    }
}
