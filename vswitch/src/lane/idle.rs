//! How a lane shares its CPU: when it rests, and before whom it comes.

use std::time::{Duration, Instant};
use vhost_transfer::ledger::Predecessor;
use vhost_transfer::message::Poll;
use vhost_transfer::on_time::{self, Rank, Slices};

/// Idle time in which an adaptive lane looks again at once.
const SPIN_FOR: Duration = Duration::from_micros(5);
/// Idle time in which its naps are the shortest.
const NAP_SHORTLY_FOR: Duration = Duration::from_micros(500);
const FIRST_NAP: Duration = Duration::from_micros(20);
/// With nothing to do a packet waits at most so long, and a core is almost free.
const LONGEST_NAP: Duration = Duration::from_millis(1);

/// How long a lane comes first when those before it died, and naps after every round: so long the dead
/// may take to leave this CPU, and so long others may have to do with what the naps leave.
const COMES_FIRST_FOR: Duration = Duration::from_millis(200);

/// Decides how long a lane may rest.
#[derive(Debug)]
pub(super) struct Idle {
    poll: Poll,
    /// `None` when it takes turns with others.
    first_until: Option<Instant>,
    since: Option<Instant>,
    nap: Duration,
}

impl Idle {
    /// For the lane that calls this, which is about to serve.
    pub(super) fn new(poll: Poll, predecessor: Predecessor) -> Self {
        let comes_first = poll == Poll::Adaptive && predecessor == Predecessor::Died;
        let mut first_for = Duration::ZERO;
        if comes_first {
            first_for = COMES_FIRST_FOR;
            // Where it may not packets wait a little longer, and its naps help.
            let _ = on_time::come_first(None, Rank::Lane);
        }
        Self {
            poll,
            first_until: Some(Instant::now() + first_for),
            since: None,
            nap: FIRST_NAP,
        }
    }

    /// Rests after a round in which there were `work` packets. When `alert`, a handover is near
    /// and the lane must not nap, nor come first.
    pub(super) fn after(&mut self, work: usize, alert: bool) {
        if let Some(until) = self.first_until {
            if !alert && Instant::now() < until {
                return std::thread::sleep(FIRST_NAP);
            }
            self.first_until = None;
            let _ = on_time::wake_at_once(Slices::Forwarding);
        }
        match self.poll {
            Poll::Busy => std::hint::spin_loop(),
            Poll::Adaptive if work > 0 => (self.since, self.nap) = (None, FIRST_NAP),
            Poll::Adaptive if alert => std::thread::yield_now(),
            Poll::Adaptive => self.rest(),
        }
    }

    /// A nap, and no sched_yield(2): that lets others of the CPU have a whole slice each, which is
    /// milliseconds, but who wakes has the CPU soon. In a handover those others are the successor's lanes.
    fn rest(&mut self) {
        let idle = self.since.get_or_insert_with(Instant::now).elapsed();
        if idle < SPIN_FOR {
            return std::hint::spin_loop();
        }
        self.nap = match idle < NAP_SHORTLY_FOR {
            true => FIRST_NAP,
            false => (self.nap * 2).min(LONGEST_NAP),
        };
        std::thread::sleep(self.nap);
    }
}
