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

/// How long a lane comes first when those before it died: so long the dead may take to leave this CPU,
/// and so long others may have to do with what the naps leave.
const COMES_FIRST_FOR: Duration = Duration::from_millis(200);
/// How long it runs without a nap meanwhile, a round more or less.
const RUNS_FOR: Duration = Duration::from_micros(100);

/// Decides how long a lane may rest.
#[derive(Debug)]
pub(super) struct Idle {
    poll: Poll,
    /// `None` when it takes turns with others.
    first: Option<First>,
    since: Option<Instant>,
    nap: Duration,
}

impl Idle {
    /// For the lane that calls this, which is about to serve.
    pub(super) fn new(poll: Poll, predecessor: Predecessor) -> Self {
        let comes_first = poll == Poll::Adaptive && predecessor == Predecessor::Died;
        if comes_first {
            // Where it may not packets wait a little longer; the control thread has said so.
            let _ = on_time::come_first(None, Rank::Lane);
        }
        Self {
            poll,
            first: comes_first.then(|| First::from(Instant::now())),
            since: None,
            nap: FIRST_NAP,
        }
    }

    /// Whether the lane comes before ordinary threads.
    pub(super) fn comes_first(&self) -> bool {
        self.first.is_some()
    }

    /// The first round is done, which must not wait for system calls.
    pub(super) fn settle(&self) {
        if !self.comes_first() {
            forward_in_turn();
        }
    }

    /// Rests after a round in which there were `work` packets. When `alert`, a handover is near
    /// and a lane that takes turns must not nap.
    pub(super) fn after(&mut self, work: usize, alert: bool) {
        if let Some(first) = &mut self.first {
            match first.next(work, Instant::now()) {
                Next::Run => return,
                Next::Nap => {
                    std::thread::sleep(FIRST_NAP);
                    return first.wakes(Instant::now());
                }
                Next::TakeTurns => {
                    self.first = None;
                    forward_in_turn();
                }
            }
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

fn forward_in_turn() {
    let _ = on_time::wake_at_once(Slices::Forwarding);
}

/// How a lane that comes first leaves its CPU to others.
#[derive(Debug)]
struct First {
    until: Instant,
    awake_since: Instant,
}

/// What such a lane does after a round.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Run,
    Nap,
    TakeTurns,
}

impl First {
    fn from(now: Instant) -> Self {
        Self {
            until: now + COMES_FIRST_FOR,
            awake_since: now,
        }
    }

    fn next(&self, work: usize, now: Instant) -> Next {
        if now >= self.until {
            return Next::TakeTurns;
        }
        match work == 0 || now >= self.awake_since + RUNS_FOR {
            true => Next::Nap,
            false => Next::Run,
        }
    }

    fn wakes(&mut self, now: Instant) {
        self.awake_since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_naps_when_idle_and_when_it_ran_for_long() {
        let start = Instant::now();
        let mut first = First::from(start);
        assert_eq!(first.next(0, start), Next::Nap);
        assert_eq!(first.next(32, start), Next::Run);
        let busy = start + RUNS_FOR;
        assert_eq!(first.next(32, busy), Next::Nap);
        first.wakes(busy);
        assert_eq!(first.next(32, busy), Next::Run);
    }

    #[test]
    fn nobody_comes_first_for_ever() {
        let start = Instant::now();
        let first = First::from(start);
        let end = start + Duration::from_millis(200);
        assert_ne!(
            first.next(0, end - Duration::from_nanos(1)),
            Next::TakeTurns
        );
        for work in [0, 32] {
            assert_eq!(first.next(work, end), Next::TakeTurns);
        }
    }
}
