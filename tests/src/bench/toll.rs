//! What is counted while nothing is in flight.

use crate::emulator::{FlowReport, Running};
use serde::{Deserialize, Serialize};
use std::ops::{AddAssign, Sub};
use std::thread;
use std::time::Duration;

/// Between two readings that must agree.
const SETTLE: Duration = Duration::from_millis(2);

/// Frames of one flow or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames sent.
    pub sent: u64,
    /// Frames that arrived, each counted once.
    pub received: u64,
    /// Frames sent that did not arrive.
    pub lost: u64,
    /// Arrivals of a frame that had arrived before.
    pub doubled: u64,
    /// First arrivals after a frame that was sent later.
    pub reordered: u64,
    /// Arrivals of a changed frame.
    pub corrupted: u64,
    /// Frames that the instrument's full ring, or a link that was down, did not take: never sent.
    pub refused: u64,
    /// Frames that the instrument did not send because it was late.
    pub skipped: u64,
}

impl Counts {
    fn of(flow: &FlowReport) -> Self {
        Self {
            sent: flow.sent,
            received: flow.received,
            lost: flow.lost,
            doubled: flow.doubled,
            reordered: flow.reordered,
            corrupted: flow.corrupted,
            refused: flow.refused,
            skipped: flow.skipped,
        }
    }

    fn map(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: both(self.sent, other.sent),
            received: both(self.received, other.received),
            lost: both(self.lost, other.lost),
            doubled: both(self.doubled, other.doubled),
            reordered: both(self.reordered, other.reordered),
            corrupted: both(self.corrupted, other.corrupted),
            refused: both(self.refused, other.refused),
            skipped: both(self.skipped, other.skipped),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = self.map(other, |one, other| one + other);
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        self.map(before, |after, before| after - before)
    }
}

/// All flows and endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toll {
    /// By flow.
    pub(crate) flows: Vec<Counts>,
    /// vhost-user connections closed.
    pub(crate) disconnects: u64,
    /// Frames for which the instrument's own receive rings had no room.
    pub(crate) overflowed: u64,
}

impl Toll {
    /// What has been counted so far, once the flows have stopped.
    pub(crate) fn of(running: &Running) -> Self {
        let mut last = Self::now(running);
        loop {
            thread::sleep(SETTLE);
            let again = Self::now(running);
            if again == last {
                return last;
            }
            last = again;
        }
    }

    /// What came since `before`.
    pub(crate) fn since(self, before: &Self) -> Self {
        let flows = self.flows.iter().zip(&before.flows);
        Self {
            flows: flows.map(|(after, before)| *after - *before).collect(),
            disconnects: self.disconnects - before.disconnects,
            overflowed: self.overflowed - before.overflowed,
        }
    }

    /// Adds what another stretch of time has cost.
    pub(crate) fn add(&mut self, other: &Self) {
        self.flows.resize(other.flows.len(), Counts::default());
        for (sum, counts) in self.flows.iter_mut().zip(&other.flows) {
            *sum += *counts;
        }
        self.disconnects += other.disconnects;
        self.overflowed += other.overflowed;
    }

    /// All flows together.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.flows.iter().for_each(|counts| total += *counts);
        total
    }

    /// What has been counted so far; what is in flight looks lost.
    pub(crate) fn now(running: &Running) -> Self {
        let report = running.report();
        Self {
            flows: report.flows.iter().map(Counts::of).collect(),
            disconnects: report.endpoints.iter().map(|end| end.disconnects).sum(),
            overflowed: report.endpoints.iter().map(|end| end.overflowed).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toll(sent: u64, lost: u64) -> Toll {
        let received = sent - lost;
        let counts = Counts {
            sent,
            received,
            lost,
            ..Counts::default()
        };
        Toll {
            flows: vec![counts; 2],
            disconnects: lost,
            overflowed: 0,
        }
    }

    #[test]
    fn what_was_counted_before_does_not_count_again() {
        let more = toll(100, 7).since(&toll(60, 5));
        assert_eq!(more, toll(40, 2));
        assert_eq!((more.total().sent, more.total().lost), (80, 4));
    }

    #[test]
    fn tolls_add_up() {
        let mut sum = Toll::default();
        sum.add(&toll(10, 1));
        sum.add(&toll(20, 0));
        assert_eq!(sum, toll(30, 1));
    }
}
