//! How long to wait before the next attempt.

use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// A pause that doubles with every attempt that fails.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    length: Option<Duration>,
}

impl Pause {
    /// When it is over, `None` when there is none.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// No attempt has failed yet.
    pub(super) fn is_first(&self) -> bool {
        self.length.is_none()
    }

    /// Whether there was a pause that ends here.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.until = None;
        }
        over
    }

    /// The next pause, twice as long as the last.
    pub(super) fn longer(&self) -> Self {
        let twice = |length: Duration| (length * 2).min(LONGEST);
        Self::beginning(self.length.map_or(SHORTEST, twice))
    }

    /// The longest pause at once.
    pub(super) fn longest() -> Self {
        Self::beginning(LONGEST)
    }

    /// No longer than others need to have their turn.
    pub(super) fn one_round(&self) -> Self {
        Self {
            until: Some(Instant::now()),
            length: self.length,
        }
    }

    fn beginning(length: Duration) -> Self {
        Self {
            until: Some(Instant::now() + length),
            length: Some(length),
        }
    }
}
