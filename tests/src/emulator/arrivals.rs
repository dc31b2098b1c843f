//! The arrival times of one flow, written by the polling thread and read by any other at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::{Nanos, Window};
use super::error::{Error, Result};

/// The time between two consecutive arrivals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// The earlier arrival, or the start of the flow.
    pub from: Nanos,
    /// The later arrival, or the last time the flow sent.
    pub until: Nanos,
}

impl Gap {
    /// Length in nanoseconds.
    pub fn length(&self) -> Nanos {
        self.until.saturating_sub(self.from)
    }

    /// The gap as a window.
    pub fn window(&self) -> Window {
        Window::new(self.from, self.until)
    }
}

/// A ring of the last arrival times. One thread writes.
#[derive(Debug)]
pub struct Arrivals {
    times: Box<[AtomicU64]>,
    count: AtomicU64,
    began: AtomicU64,
    last_sent: AtomicU64,
}

impl Arrivals {
    /// Room for `capacity` arrivals, 8 bytes each; older ones are forgotten.
    pub(crate) fn new(capacity: usize) -> Self {
        let times = (0..capacity.max(2)).map(|_| AtomicU64::new(0)).collect();
        Self {
            times,
            count: 0.into(),
            began: 0.into(),
            last_sent: 0.into(),
        }
    }

    /// Notes that the flow sent a frame; the first one begins it.
    pub(crate) fn note_sent(&self, now: Nanos) {
        if self.began.load(Ordering::Relaxed) == 0 {
            self.began.store(now, Ordering::Release);
        }
        self.last_sent.store(now, Ordering::Release);
    }

    /// Appends an arrival.
    pub(crate) fn push(&self, now: Nanos) {
        let count = self.count.load(Ordering::Relaxed);
        self.slot(count).store(now, Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Release);
    }

    /// The longest gap that overlaps `window`: the blackout, where something happened in it.
    ///
    /// The flow's first sending and its last one count as arrivals, so a flow that nothing of arrives has
    /// one gap of its whole length.
    ///
    /// # Errors
    /// [`Error::ArrivalsForgotten`] when the window reaches back further than the log.
    pub fn longest_gap(&self, window: Window) -> Result<Gap> {
        let mut longest = Gap::default();
        self.for_each_gap(window, |gap| {
            if gap.length() > longest.length() {
                longest = gap;
            }
        })?;
        Ok(longest)
    }

    /// Calls `note` with every gap that overlaps `window`, in order of time.
    ///
    /// # Errors
    /// [`Error::ArrivalsForgotten`] when the window reaches back further than the log.
    pub fn for_each_gap(&self, window: Window, mut note: impl FnMut(Gap)) -> Result<()> {
        let (oldest, count) = self.kept();
        let first = self.first_at_or_after(window.from, oldest, count);
        let mut from = match first {
            0 => self.began.load(Ordering::Acquire),
            _ if first == oldest => return Err(Error::ArrivalsForgotten),
            _ => self.time(first - 1),
        };
        let last_sent = self.last_sent.load(Ordering::Acquire);
        for until in (first..count)
            .map(|index| self.time(index))
            .chain([last_sent])
        {
            if from > window.until {
                break;
            }
            if until > from {
                note(Gap { from, until });
                from = until;
            }
        }
        self.check_kept(first.saturating_sub(1))
    }

    /// Arrivals in each `step` of the window: a picture of the flow.
    ///
    /// # Errors
    /// [`Error::ArrivalsForgotten`] when the window reaches back further than the log.
    pub fn histogram(&self, window: Window, step: Nanos) -> Result<Vec<u32>> {
        let (oldest, count) = self.kept();
        let first = self.first_at_or_after(window.from, oldest, count);
        if first == oldest && oldest > 0 {
            return Err(Error::ArrivalsForgotten);
        }
        let mut steps = vec![0; window.length().div_ceil(step) as usize];
        for time in (first..count).map(|index| self.time(index)) {
            match steps.get_mut(((time - window.from) / step) as usize) {
                Some(step) => *step += 1,
                None => break,
            }
        }
        self.check_kept(first)?;
        Ok(steps)
    }

    /// From the first frame sent to the last one sent; both 0 before the flow began.
    pub fn duration(&self) -> Window {
        let began = self.began.load(Ordering::Acquire);
        Window::new(began, self.last_sent.load(Ordering::Acquire))
    }

    /// When the last frame arrived.
    pub fn last(&self) -> Option<Nanos> {
        let count = self.count.load(Ordering::Acquire);
        count.checked_sub(1).map(|index| self.time(index))
    }

    /// Indices of the arrivals still in the ring. One is left out: it may be being overwritten.
    fn kept(&self) -> (u64, u64) {
        let count = self.count.load(Ordering::Acquire);
        (count.saturating_sub(self.times.len() as u64 - 1), count)
    }

    /// Confirms that what was read from `index` on was not overwritten meanwhile.
    fn check_kept(&self, index: u64) -> Result<()> {
        match self.kept().0 <= index {
            true => Ok(()),
            false => Err(Error::ArrivalsForgotten),
        }
    }

    fn first_at_or_after(&self, time: Nanos, mut low: u64, mut high: u64) -> u64 {
        while low < high {
            let middle = low + (high - low) / 2;
            match self.time(middle) < time {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    fn time(&self, index: u64) -> Nanos {
        self.slot(index).load(Ordering::Relaxed)
    }

    fn slot(&self, index: u64) -> &AtomicU64 {
        &self.times[(index % self.times.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(capacity: usize, times: &[Nanos]) -> Arrivals {
        let log = Arrivals::new(capacity);
        for time in times {
            log.note_sent(*time - 1);
            log.push(*time);
        }
        log
    }

    fn gap(log: &Arrivals, from: Nanos, until: Nanos) -> (Nanos, Nanos) {
        let gap = log.longest_gap(Window::new(from, until)).unwrap();
        (gap.from, gap.until)
    }

    #[test]
    fn the_longest_gap_overlaps_the_window() {
        let log = log(100, &[10, 20, 50, 60, 200, 210]);
        assert_eq!(gap(&log, 0, 1000), (60, 200));
        assert_eq!(gap(&log, 12, 15), (10, 20));
        assert_eq!(gap(&log, 100, 110), (60, 200), "inside of one gap");
        assert_eq!(gap(&log, 15, 55), (20, 50));
        assert_eq!(gap(&log, 55, 59), (50, 60));
    }

    #[test]
    fn a_flow_that_never_arrives_is_one_gap() {
        let log = Arrivals::new(10);
        assert_eq!(gap(&log, 0, 1000), (0, 0));
        log.note_sent(100);
        log.note_sent(900);
        assert_eq!(gap(&log, 0, 1000), (100, 900));
    }

    #[test]
    fn a_flow_that_stops_arriving_has_a_gap_up_to_its_last_sending() {
        let log = log(100, &[10, 20]);
        log.note_sent(500);
        assert_eq!(gap(&log, 0, 1000), (20, 500));
        assert_eq!(
            gap(&log, 600, 1000),
            (20, 500),
            "it was the last thing known"
        );
    }

    #[test]
    fn what_is_forgotten_is_an_error() {
        let log = log(4, &[10, 20, 30, 40, 50, 60]);
        assert!(log.longest_gap(Window::EVER).is_err());
        assert!(log.longest_gap(Window::new(30, 60)).is_err());
        assert_eq!(gap(&log, 45, 60), (40, 50));
        assert!(log.histogram(Window::new(0, 60), 10).is_err());
    }

    #[test]
    fn a_histogram_counts_arrivals() {
        let log = log(100, &[10, 19, 20, 50]);
        assert_eq!(
            log.histogram(Window::new(10, 50), 10).unwrap(),
            [2, 1, 0, 0]
        );
        assert_eq!(log.histogram(Window::new(0, 100), 50).unwrap(), [3, 1]);
    }
}
