//! How long the machine itself keeps ordinary threads waiting, by CPU.
//!
//! A lane sits on one CPU. When something else has that CPU for a second, the switch moves nothing for
//! a second, rings run over, and a ping is lost which no promote is to blame for.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(5);

/// A thread on each CPU that wants to run every 5 ms. It ends with this.
#[derive(Debug)]
pub(super) struct MachineWatch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Duration>>,
}

impl MachineWatch {
    /// On all CPUs that the calling thread may use.
    pub(super) fn start() -> nix::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let threads = (0..CpuSet::count())
            .filter(|cpu| allowed.is_set(*cpu).unwrap_or(false))
            .map(|cpu| {
                let stop = stop.clone();
                thread::spawn(move || longest_wait(cpu, &stop))
            })
            .collect();
        Ok(Self { stop, threads })
    }

    /// The longest time that any CPU was late by.
    pub(super) fn finish(mut self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let waits = self.threads.drain(..).map(|thread| thread.join());
        waits.flatten().max().unwrap_or_default()
    }
}

impl Drop for MachineWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A CPU that was taken away meanwhile is not waited for.
fn longest_wait(cpu: usize, stop: &AtomicBool) -> Duration {
    let mut only = CpuSet::new();
    let pinned = only
        .set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
    let mut longest = Duration::ZERO;
    while pinned.is_ok() && !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        thread::sleep(TICK);
        longest = longest.max(before.elapsed().saturating_sub(TICK));
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_ends_and_tells_a_wait() {
        let watch = MachineWatch::start().unwrap();
        assert!(!watch.threads.is_empty());
        thread::sleep(4 * TICK);
        assert!(watch.finish() > Duration::ZERO);
    }
}
