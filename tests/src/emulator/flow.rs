//! A flow: frames from one endpoint to another at a steady pace or in bursts.

use std::time::Duration;

use super::clock::{Nanos, SECOND};

/// Most frames of a flow that are sent in one turn of the polling loop, and the most that a flow catches
/// up after the instrument was late. What it owes beyond that is skipped and counted, so that a late
/// instrument never floods the switch.
pub const MOST_AT_ONCE: u64 = 64;

/// When frames are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One frame at a time, this many a second.
    Steady(u32),
    /// `frames` frames at once, every `every`.
    Bursts {
        /// Frames of a burst.
        frames: u32,
        /// From burst to burst.
        every: Duration,
    },
}

/// What flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSpec {
    /// Name in the report.
    pub name: String,
    /// Name of the endpoint that sends.
    pub from: String,
    /// Name of the endpoint that receives.
    pub to: String,
    /// When frames are sent.
    pub pace: Pace,
    /// Bytes of a frame on a wire, check sequence included: 64 to 1518.
    pub wire_size: u16,
}

impl FlowSpec {
    /// A steady flow.
    pub fn steady(name: &str, from: &str, to: &str, rate: u32, wire_size: u16) -> Self {
        Self::new(name, from, to, Pace::Steady(rate), wire_size)
    }

    /// A flow in bursts of `frames`, one burst every `every`.
    pub fn bursts(
        name: &str,
        from: &str,
        to: &str,
        frames: u32,
        every: Duration,
        size: u16,
    ) -> Self {
        Self::new(name, from, to, Pace::Bursts { frames, every }, size)
    }

    fn new(name: &str, from: &str, to: &str, pace: Pace, wire_size: u16) -> Self {
        Self {
            name: name.into(),
            from: from.into(),
            to: to.into(),
            pace,
            wire_size,
        }
    }
}

/// What a flow owes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Frames to send now.
    pub(crate) send: u64,
    /// Frames that are too late to be sent at all.
    pub(crate) skip: u64,
}

/// The timetable of one flow.
#[derive(Debug)]
pub(crate) struct Schedule {
    frames: u64,
    every: Nanos,
    next: Nanos,
    owed: u64,
}

impl Schedule {
    /// A timetable that begins at `start`.
    pub(crate) fn new(pace: Pace, start: Nanos) -> Self {
        let (frames, every) = match pace {
            Pace::Steady(rate) => (1, SECOND / u64::from(rate.max(1))),
            Pace::Bursts { frames, every } => (u64::from(frames), every.as_nanos() as Nanos),
        };
        Self {
            frames,
            every: every.max(1),
            next: start,
            owed: 0,
        }
    }

    /// What is due at `now`, at most `MOST_AT_ONCE` of it to be sent.
    pub(crate) fn due(&mut self, now: Nanos) -> Due {
        if now >= self.next {
            let bursts = (now - self.next) / self.every + 1;
            self.next += bursts * self.every;
            self.owed += bursts * self.frames;
        }
        // One burst may be owed in full; beyond it only what can be caught up.
        let skip = self.owed.saturating_sub(self.frames.max(MOST_AT_ONCE));
        let send = (self.owed - skip).min(MOST_AT_ONCE);
        self.owed -= skip + send;
        Due { send, skip }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_keeps_its_rate() {
        let mut schedule = Schedule::new(Pace::Steady(50_000), 1000);
        assert_eq!(schedule.due(999), Due::default());
        assert_eq!(schedule.due(1000), Due { send: 1, skip: 0 });
        assert_eq!(schedule.due(1000), Due::default());
        assert_eq!(schedule.due(41_000), Due { send: 2, skip: 0 });
        let sent: u64 = (0..1000)
            .map(|turn| schedule.due(41_000 + turn * 7_777).send)
            .sum();
        assert_eq!(sent, 999 * 7_777 / 20_000);
    }

    #[test]
    fn a_late_flow_catches_up_a_little_and_skips_the_rest() {
        let mut schedule = Schedule::new(Pace::Steady(50_000), 0);
        assert_eq!(schedule.due(99 * 20_000), Due { send: 64, skip: 36 });
        assert_eq!(schedule.due(99 * 20_000), Due::default());
        assert_eq!(schedule.due(100 * 20_000), Due { send: 1, skip: 0 });
    }

    #[test]
    fn a_burst_is_sent_in_full_over_a_few_turns() {
        let every = Duration::from_millis(1);
        let mut schedule = Schedule::new(Pace::Bursts { frames: 100, every }, 0);
        assert_eq!(schedule.due(0), Due { send: 64, skip: 0 });
        assert_eq!(schedule.due(1), Due { send: 36, skip: 0 });
        assert_eq!(schedule.due(2), Due::default());
        assert_eq!(schedule.due(1_000_000), Due { send: 64, skip: 0 });
    }

    #[test]
    fn every_frame_that_is_due_is_sent_or_skipped() {
        let every = Duration::from_micros(100);
        for frames in [1, 32, 64, 100] {
            let mut schedule = Schedule::new(Pace::Bursts { frames, every }, 0);
            let mut total = 0;
            for now in [
                0, 50_000, 100_000, 9_999_999, 10_000_001, 10_000_002, 10_000_003,
            ] {
                let due = schedule.due(now);
                total += due.send + due.skip;
            }
            assert_eq!(total + schedule.owed, 101 * u64::from(frames));
        }
    }
}
