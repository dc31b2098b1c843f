//! What a lane does when there is nothing to do.

use std::time::{Duration, Instant};
use vhost_transfer::ledger::Predecessor;
use vhost_transfer::message::Poll;

/// Idle time in which an adaptive lane looks again at once.
const SPIN_FOR: Duration = Duration::from_micros(5);
/// Idle time in which its naps are the shortest.
const NAP_SHORTLY_FOR: Duration = Duration::from_micros(500);
const FIRST_NAP: Duration = Duration::from_micros(20);
/// With nothing to do a packet waits at most so long, and a core is almost free.
const LONGEST_NAP: Duration = Duration::from_millis(1);

/// How long a lane naps after every round when those before it died: where the control thread and the
/// supervisor have its CPU too they come first, for the NIC's packets are lost until it is steered.
const GENTLE_FOR: Duration = Duration::from_micros(500);

/// Decides how long a lane may rest.
#[derive(Debug)]
pub(super) struct Idle {
    poll: Poll,
    gentle_until: Option<Instant>,
    since: Option<Instant>,
    nap: Duration,
}

impl Idle {
    pub(super) fn new(poll: Poll, predecessor: Predecessor) -> Self {
        let gentle = poll == Poll::Adaptive && predecessor == Predecessor::Died;
        Self {
            poll,
            gentle_until: gentle.then(|| Instant::now() + GENTLE_FOR),
            since: None,
            nap: FIRST_NAP,
        }
    }

    /// Rests after a round in which there were `work` packets. When `alert`, a handover is near
    /// and the lane must not nap.
    pub(super) fn after(&mut self, work: usize, alert: bool) {
        if let Some(until) = self.gentle_until
            && !alert
        {
            self.gentle_until = Some(until).filter(|&until| Instant::now() < until);
            return std::thread::sleep(FIRST_NAP);
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
