//! Frames of one flow that arrived twice.

use std::sync::{Mutex, PoisonError};

use super::clock::{Nanos, Window};

/// So many first arrivals are remembered: a twin comes soon, or is no twin of a NIC's.
const REMEMBERED: usize = 4096;
/// So many twins are kept.
const KEPT: usize = 4096;

/// A frame that arrived again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twin {
    /// When it was sent.
    pub sent: Nanos,
    /// When it arrived first.
    pub arrived: Nanos,
    /// When it arrived again.
    pub again: Nanos,
}

/// The first ones, readable from any thread.
#[derive(Debug, Default)]
pub struct Twins(Mutex<Vec<Twin>>);

impl Twins {
    /// For how long at least something delivered twice what it was given: from the first arrival of one
    /// twin to the sending of another one that arrived again in `window`. 0 if all of them may have been
    /// given to it at one instant.
    ///
    /// What delivers a frame has it after it was sent, and before it arrives.
    pub fn span(&self, window: Window) -> Nanos {
        let twins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |twin: &&Twin| (window.from..=window.until).contains(&twin.again);
        let within = || twins.iter().filter(within);
        let last_sent = within().map(|twin| twin.sent).max().unwrap_or(0);
        let first_arrived = within().map(|twin| twin.arrived).min().unwrap_or(0);
        last_sent.saturating_sub(first_arrived)
    }

    fn note(&self, twin: Twin) {
        let mut twins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if twins.len() < KEPT {
            twins.push(twin);
        }
    }
}

/// When the last frames arrived first, by their numbers.
#[derive(Debug)]
pub(crate) struct FirstArrivals(Box<[(u64, Nanos)]>);

impl Default for FirstArrivals {
    fn default() -> Self {
        Self(vec![(u64::MAX, 0); REMEMBERED].into())
    }
}

impl FirstArrivals {
    pub(crate) fn note(&mut self, sequence: u64, now: Nanos) {
        self.0[place(sequence)] = (sequence, now);
    }

    /// Tells `twins` of a frame that arrived again. One of long ago is taken for one that arrived when it
    /// was sent.
    pub(crate) fn again(&self, twins: &Twins, sequence: u64, sent: Nanos, now: Nanos) {
        let (known, arrived) = self.0[place(sequence)];
        twins.note(Twin {
            sent,
            arrived: if known == sequence { arrived } else { sent },
            again: now,
        });
    }
}

fn place(sequence: u64) -> usize {
    (sequence % REMEMBERED as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(frames: &[(u64, Nanos, Nanos, Nanos)], window: Window) -> Nanos {
        let (twins, mut arrivals) = (Twins::default(), FirstArrivals::default());
        for (sequence, sent, arrived, again) in frames {
            arrivals.note(*sequence, *arrived);
            arrivals.again(&twins, *sequence, *sent, *again);
        }
        twins.span(window)
    }

    #[test]
    fn a_batch_that_was_late_may_have_been_delivered_at_once() {
        let batch = [(0, 10, 100, 110), (1, 20, 101, 111), (2, 90, 102, 112)];
        assert_eq!(span(&batch, Window::EVER), 0);
    }

    #[test]
    fn what_was_sent_after_another_had_arrived_tells_the_time_between() {
        let frames = [(0, 10, 20, 21), (1, 30, 31, 33), (5000, 80, 90, 91)];
        assert_eq!(span(&frames, Window::EVER), 60);
        assert_eq!(span(&frames, Window::new(0, 50)), 10);
        assert_eq!(span(&frames, Window::new(92, 99)), 0);
    }

    #[test]
    fn a_frame_of_long_ago_is_no_late_batch() {
        let (twins, mut arrivals) = (Twins::default(), FirstArrivals::default());
        arrivals.note(1, 20);
        arrivals.note(1 + REMEMBERED as u64, 5000);
        arrivals.again(&twins, 1, 10, 6000);
        arrivals.again(&twins, 1 + REMEMBERED as u64, 4990, 6001);
        assert_eq!(twins.span(Window::EVER), 4980);
    }
}
