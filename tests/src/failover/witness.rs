//! Watches the ledger: whoever owns the lanes, there is one of it.

mod looks;

use super::{Pair, Result};
use looks::{Look, Looks};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vhost_transfer::Term;
use vhost_transfer::ledger::LedgerView;

/// What the kernel calls the ledger's memory.
const NAME: &str = "/memfd:vswsup-ledger";
/// Between two looks: a round of a lane is a few µs.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// More need not be told.
const MOST: usize = 20;

/// A thread that reads the ledger of a running system again and again, and can write none of it.
///
/// Who goes round a lane must be who holds its lock: a lane notes its thread with every round, and the
/// kernel notes the lock's holder. All lanes that go round in one term belong to one process. Terms
/// only grow; so do heartbeats, which one owner writes from a clock that never goes back.
#[derive(Debug)]
pub struct Witness {
    ledger: LedgerView,
    lanes: u16,
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Witness {
    /// Watches the first `lanes` lanes of the ledger of this supervisor.
    ///
    /// # Errors
    /// When it has none.
    pub fn start(supervisor: Pid, lanes: u16) -> Result<Self> {
        let ledger = ledger_of(supervisor)?;
        let (stop, looks) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (ended, looked) = (Arc::clone(&stop), Arc::clone(&looks));
        let thread = thread::spawn(move || watch(ledger, lanes, &ended, &looked));
        Ok(Self {
            ledger,
            lanes,
            stop,
            looks,
            thread: Some(thread),
        })
    }

    /// How often it has looked.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Everything in which the locks of a system at rest are not all its active instance's.
    pub fn check_locks(&self, pair: &Pair) -> Vec<String> {
        let active = pair.active;
        let of_active = |thread: i32| Path::new(&format!("/proc/{active}/task/{thread}")).exists();
        let strange = |lane: u16| {
            let holder = self.ledger.lane(lane).and_then(|lane| lane.holder);
            (!holder.is_some_and(of_active))
                .then(|| format!("the lock of lane {lane} is held by {holder:?}, not by {active}"))
        };
        (0..self.lanes).filter_map(strange).collect()
    }

    /// Ends the watch; everything that cannot be with one owner.
    pub fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let outcome = self.thread.take().map(JoinHandle::join);
        match outcome {
            Some(Ok(found)) if self.looks() > 0 => found,
            Some(Ok(_)) => vec!["the witness has not looked once".to_owned()],
            Some(Err(_)) | None => vec!["the witness died".to_owned()],
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The ledger of a running supervisor.
///
/// # Errors
/// When it has none.
pub(crate) fn ledger_of(supervisor: Pid) -> io::Result<LedgerView> {
    for entry in fs::read_dir(format!("/proc/{supervisor}/fd"))? {
        let path = entry?.path();
        let target = fs::read_link(&path).unwrap_or_default();
        if target.to_string_lossy().starts_with(NAME) {
            return LedgerView::open(File::open(&path)?.into()).map_err(io::Error::other);
        }
    }
    let missing = format!("process {supervisor} has no {NAME}");
    Err(io::Error::other(missing))
}

fn watch(ledger: LedgerView, lanes: u16, stop: &AtomicBool, looked: &AtomicU64) -> Vec<String> {
    let mut found = Vec::new();
    let mut processes = Processes::default();
    let look = || Look::at(&ledger, 0..lanes);
    let mut looks = [look(), look(), look()];
    while !stop.load(Ordering::Relaxed) && found.len() < MOST {
        thread::sleep(LOOK_EVERY);
        looks.rotate_left(1);
        looks[2] = look();
        let term = looks[2].term();
        let now = Looks(looks.each_ref()).contradictions(|thread| processes.of(thread, term));
        for what in now {
            if !found.contains(&what) {
                found.push(what);
            }
        }
        looked.fetch_add(1, Ordering::Relaxed);
    }
    found
}

/// To which process a thread belongs, remembered for a term: numbers of threads are used again.
#[derive(Debug, Default)]
struct Processes {
    term: Option<Term>,
    known: HashMap<i32, Option<i32>>,
}

impl Processes {
    fn of(&mut self, thread: i32, term: Term) -> Option<i32> {
        if self.term.replace(term) != Some(term) {
            self.known.clear();
        }
        *self
            .known
            .entry(thread)
            .or_insert_with(|| process_of(thread))
    }
}

/// `Tgid` of `/proc/TID/status` (man 5 proc), `None` when the thread is no more.
fn process_of(thread: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_belongs_to_its_process() {
        let thread = nix::unistd::gettid().as_raw();
        let process = Some(std::process::id().cast_signed());
        let mut processes = Processes::default();
        assert_eq!(processes.of(thread, Term(1)), process);
        assert_eq!(processes.of(thread, Term(2)), process);
        assert_eq!(process_of(i32::MAX), None);
    }
}
