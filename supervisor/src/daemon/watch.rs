//! Samples the heartbeats of whoever has to beat, and tells the policy who hangs.

use super::{Daemon, Due};
use crate::policy::{Event, Watched};
use crate::watch::{How, Judge, Task, Verdict};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use vhost_transfer::{InstanceId, PortId};

/// The longest pause between two looks: who has just become active is to be watched soon.
const IDLE: Duration = Duration::from_millis(10);
/// The shortest pause between two looks.
const SHORTEST: Duration = Duration::from_millis(1);

/// The judges of all threads that are watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    judges: BTreeMap<(InstanceId, Subject), Judge>,
}

/// A thread of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Control,
    Lane(u16),
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hang {
    pub(super) subject: Subject,
    pub(super) how: How,
    /// How long the heartbeat had stood still when it was found.
    pub(super) stale: Duration,
    /// The port that the thread was serving.
    pub(super) port: Option<PortId>,
}

/// What a thread shows in the ledger.
struct Signs {
    heartbeat: u64,
    thread: i32,
    serving: u32,
}

impl Daemon {
    pub(super) fn start_watch(&mut self) {
        let failover = &self.config.failover;
        if failover.lane_hang.or(failover.control_hang).is_some() {
            self.timers.start(Due::Watch, Instant::now(), IDLE);
        }
    }

    /// Looks at everyone, and says when to look again.
    pub(super) fn look_for_hangs(&mut self) {
        let now = monotonic_ns();
        let subjects = self.subjects();
        self.watch
            .judges
            .retain(|key, _| subjects.iter().any(|(watched, _)| watched == key));
        let mut next = now.saturating_add(nanos(IDLE));
        for ((id, subject), limit) in subjects {
            match self.look(now, id, subject, limit) {
                Verdict::LookAgainAt(at) => next = next.min(at),
                Verdict::Hangs { how, stale } => self.found(id, subject, how, stale),
            }
        }
        let pause = Duration::from_nanos(next.saturating_sub(monotonic_ns())).max(SHORTEST);
        self.timers.start(Due::Watch, Instant::now(), pause);
    }

    /// Who is watched now, and with which limit.
    fn subjects(&self) -> Vec<((InstanceId, Subject), Duration)> {
        let failover = &self.config.failover;
        let mut subjects = Vec::new();
        for id in InstanceId::BOTH {
            let Watched { lanes, control } = self.policy.watched(id);
            if let Some(limit) = failover.lane_hang.filter(|_| lanes) {
                let lanes = 0..self.config.instance(id).lanes.len() as u16;
                subjects.extend(lanes.map(|lane| ((id, Subject::Lane(lane)), limit)));
            }
            if let Some(limit) = failover.control_hang.filter(|_| control) {
                subjects.push(((id, Subject::Control), limit));
            }
        }
        subjects
    }

    fn look(&mut self, now: u64, id: InstanceId, subject: Subject, limit: Duration) -> Verdict {
        let signs = self.signs(id, subject);
        let pid = self.process(id).map_or(0, |process| process.pid());
        let judge = self.watch.judges.entry((id, subject));
        judge
            .or_insert_with(|| Judge::new(limit, now))
            .look(now, signs.heartbeat, || Task::read(pid, signs.thread))
    }

    fn signs(&self, id: InstanceId, subject: Subject) -> Signs {
        match subject {
            Subject::Lane(lane) => {
                let slot = self.ledger.lane(lane);
                Signs {
                    heartbeat: slot.heartbeat(),
                    thread: slot.thread.load(Relaxed),
                    serving: slot.serving.load(Relaxed),
                }
            }
            Subject::Control => {
                let slot = self.ledger.instance(id);
                Signs {
                    heartbeat: slot.heartbeat(),
                    thread: slot.thread.load(Relaxed),
                    serving: slot.serving.load(Relaxed),
                }
            }
        }
    }

    /// One that dies of a fatal signal rests too, until its core is written: it does not hang.
    fn found(&mut self, id: InstanceId, subject: Subject, how: How, stale: Duration) {
        self.watch.judges.remove(&(id, subject));
        self.note_death(id);
        if self.fates.dies(id, self.dump_patience()) || !self.is_watched(id) {
            return;
        }
        let hang = Hang {
            subject,
            how,
            stale,
            port: port_in(self.signs(id, subject).serving).filter(|_| how != How::Stopped),
        };
        self.fates.hangs(id, hang);
        self.happen(Event::Hung(id, hang.to_string()));
        self.blame(id);
    }

    /// How long a death may take. With a successor the lanes are let go of within milliseconds; without
    /// one nobody waits for them, and the core may be written.
    fn dump_patience(&self) -> Duration {
        match self.policy.successor() {
            Some(_) => Duration::from_secs(1),
            None => Duration::from_secs(60),
        }
    }

    /// A verdict on another thread may just have ended it.
    fn is_watched(&self, id: InstanceId) -> bool {
        self.policy.watched(id) != Watched::default()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => f.write_str("its control thread"),
            Self::Lane(lane) => write!(f, "its lane {lane}"),
        }
    }
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stale = Duration::from_millis(self.stale.as_millis() as u64);
        let stale = humantime::format_duration(stale);
        write!(
            f,
            "{} has stood still for {stale}, {}",
            self.subject, self.how
        )
    }
}

/// As the ledger has it: 0, the uplink, is none.
fn port_in(serving: u32) -> Option<PortId> {
    let port = u16::try_from(serving).ok().and_then(PortId::new)?;
    (port != PortId::UPLINK).then_some(port)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// As the heartbeats are. The clock is there on every Linux; without it nobody would be taken for
/// hanging.
fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| nanos(now.into()))
}
