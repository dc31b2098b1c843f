//! The judgement of one thread: pure, with its clock and its evidence as arguments.

use super::{Task, TaskState};
use std::fmt;
use std::time::Duration;

/// Watches one thread.
#[derive(Debug, Clone)]
pub struct Judge {
    limit: u64,
    heartbeat: u64,
    /// When the thread last beat, or when watching it began.
    since: u64,
    suspicion: Option<Suspicion>,
}

/// How a thread hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// It uses its CPU and finishes no round.
    Loops,
    /// A signal or a tracer has stopped it.
    Stopped,
    /// It waits in the kernel.
    Blocked,
}

/// What one look came to. Times are CLOCK_MONOTONIC, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is proven; look again then.
    LookAgainAt(u64),
    /// It hangs.
    Hangs {
        /// In which way.
        how: How,
        /// How long the heartbeat has stood still.
        stale: Duration,
    },
}

/// A heartbeat that has stood still for half the limit.
#[derive(Debug, Clone)]
struct Suspicion {
    /// CPU time of the thread at the first look.
    ran_ns: u64,
    rest: Option<Rest>,
    last: Task,
}

/// The thread was seen asleep, or stopped, at every look since, and never scheduled in between.
#[derive(Debug, Clone, Copy)]
struct Rest {
    state: TaskState,
    since: u64,
}

impl Judge {
    /// Of a thread that is watched from `now` on: before that its heartbeat proves nothing.
    pub fn new(limit: Duration, now: u64) -> Self {
        Self {
            limit: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
            heartbeat: 0,
            since: now,
            suspicion: None,
        }
    }

    /// Looks at the thread. `heartbeat` is 0 for one that has never beaten, of which nothing is
    /// known; `task` asks the kernel, and is only called for a heartbeat that stands still.
    pub fn look(
        &mut self,
        now: u64,
        heartbeat: u64,
        task: impl FnOnce() -> Option<Task>,
    ) -> Verdict {
        if heartbeat != self.heartbeat || heartbeat == 0 {
            self.heartbeat = heartbeat;
            let beat = if heartbeat == 0 {
                now
            } else {
                heartbeat.min(now)
            };
            self.since = self.since.max(beat);
            self.suspicion = None;
        }
        let stale = now.saturating_sub(self.since);
        if stale < self.limit / 2 {
            self.suspicion = None;
            return Verdict::LookAgainAt(self.since + self.limit / 2);
        }
        let how = task().and_then(|task| self.suspect(now, task));
        match how.filter(|_| stale >= self.limit) {
            Some(how) => Verdict::Hangs {
                how,
                stale: Duration::from_nanos(stale),
            },
            None => Verdict::LookAgainAt(self.next_look(now)),
        }
    }

    /// In time for the moment when the limit is over.
    fn next_look(&self, now: u64) -> u64 {
        let over = self.since.saturating_add(self.limit);
        if now < over {
            over.min(now + self.limit / 4)
        } else {
            now + self.limit / 8
        }
    }

    /// What is proven with this look.
    fn suspect(&mut self, now: u64, task: Task) -> Option<How> {
        let before = self
            .suspicion
            .take()
            .filter(|before| before.last.thread == task.thread);
        let rest = rest(before.as_ref(), &task, now);
        let starved = before
            .as_ref()
            .is_none_or(|before| someone_is_starved(&before.last, &task));
        let suspicion = Suspicion {
            ran_ns: before.map_or(task.own.ran_ns, |before| before.ran_ns),
            rest,
            last: task,
        };
        let how = suspicion.proof(now, self.limit / 4, starved);
        self.suspicion = Some(suspicion);
        how
    }
}

impl Suspicion {
    fn proof(&self, now: u64, enough: u64, starved: bool) -> Option<How> {
        if self.last.own.ran_ns.saturating_sub(self.ran_ns) >= enough {
            return Some(How::Loops);
        }
        let rest = self.rest?;
        if now.saturating_sub(rest.since) < enough {
            return None;
        }
        match rest.state {
            TaskState::Stopped => Some(How::Stopped),
            TaskState::Asleep => (!starved).then_some(How::Blocked),
            TaskState::Runnable => None,
        }
    }
}

/// It goes on when the thread is in the same state and was given no CPU since the look before.
fn rest(before: Option<&Suspicion>, task: &Task, now: u64) -> Option<Rest> {
    let state = task.own.state;
    if state == TaskState::Runnable {
        return None;
    }
    let unchanged = before
        .filter(|before| before.last.own.slices == task.own.slices)
        .and_then(|before| before.rest)
        .filter(|rest| rest.state == state);
    Some(unchanged.unwrap_or(Rest { state, since: now }))
}

/// Some other thread of the process would run and has not since the look before: the one that is
/// judged may wait for it.
fn someone_is_starved(before: &Task, now: &Task) -> bool {
    now.others.iter().any(|(number, thread)| {
        let ran = |earlier: &super::Thread| thread.ran_ns > earlier.ran_ns;
        thread.state == TaskState::Runnable && !before.others.get(number).is_some_and(ran)
    })
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Loops => "in an endless loop",
            Self::Stopped => "stopped",
            Self::Blocked => "blocked in the kernel",
        })
    }
}

#[cfg(test)]
mod tests;
