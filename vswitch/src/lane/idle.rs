//! What a lane does when there is nothing to do.

use std::time::{Duration, Instant};
use vhost_transfer::message::Poll;

/// Idle time after which an adaptive lane begins to nap.
const YIELD_FOR: Duration = Duration::from_micros(500);
const FIRST_NAP: Duration = Duration::from_micros(20);
/// With nothing to do a packet waits at most so long, and a core is almost free.
const LONGEST_NAP: Duration = Duration::from_millis(1);

/// Decides how long a lane may rest.
#[derive(Debug)]
pub(super) struct Idle {
    poll: Poll,
    since: Option<Instant>,
    nap: Duration,
}

impl Idle {
    pub(super) fn new(poll: Poll) -> Self {
        Self {
            poll,
            since: None,
            nap: FIRST_NAP,
        }
    }

    /// Rests after a round in which there were `work` packets. When `alert`, a handover is near
    /// and the lane must not nap.
    pub(super) fn after(&mut self, work: usize, alert: bool) {
        match self.poll {
            Poll::Busy => std::hint::spin_loop(),
            Poll::Adaptive if work > 0 => self.since = None,
            Poll::Adaptive => self.rest(alert),
        }
    }

    fn rest(&mut self, alert: bool) {
        let since = *self.since.get_or_insert_with(|| {
            self.nap = FIRST_NAP;
            Instant::now()
        });
        if alert || since.elapsed() < YIELD_FOR {
            std::thread::yield_now();
        } else {
            std::thread::sleep(self.nap);
            self.nap = (self.nap * 2).min(LONGEST_NAP);
        }
    }
}
