//! When the instrument itself did not run.

use std::sync::{Mutex, PoisonError};

use super::arrivals::Gap;
use super::clock::{Nanos, Window};

/// Shortest time between two turns of the polling loop that counts as a stall.
pub const STALL_THRESHOLD: Nanos = 100_000;

/// The stalls of one polling loop, readable from any thread.
#[derive(Debug, Default)]
pub struct Stalls(Mutex<Vec<Gap>>);

impl Stalls {
    /// Every stall that overlaps the window.
    pub fn within(&self, window: Window) -> Vec<Gap> {
        let stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stalls
            .iter()
            .filter(|stall| stall.window().overlaps(&window))
            .copied()
            .collect()
    }

    /// The longest stall that overlaps the window; of length 0 if there was none.
    pub fn longest(&self, window: Window) -> Gap {
        let stalls = self.within(window);
        stalls
            .into_iter()
            .max_by_key(Gap::length)
            .unwrap_or_default()
    }

    /// Notes the time from one turn to the next, if it is a stall.
    pub(crate) fn note(&self, from: Nanos, until: Nanos) {
        if until - from > STALL_THRESHOLD {
            let mut stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stalls.push(Gap { from, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_turns_are_stalls() {
        let stalls = Stalls::default();
        stalls.note(0, STALL_THRESHOLD);
        assert_eq!(stalls.within(Window::EVER), []);
        stalls.note(0, STALL_THRESHOLD + 1);
        stalls.note(1_000_000, 3_000_000);
        assert_eq!(stalls.within(Window::EVER).len(), 2);
        assert_eq!(stalls.longest(Window::EVER).length(), 2_000_000);
        assert_eq!(
            stalls.longest(Window::new(0, 500_000)).length(),
            STALL_THRESHOLD + 1
        );
    }
}
