//! Watches the ledger: whoever owns the lanes, there is one of it.

use super::{Error, Pair, Result};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vhost_transfer::Ledger;

/// What the kernel calls the ledger's memory.
const NAME: &str = "/memfd:vswsup-ledger";
/// Between two looks: a beat is a few µs.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// More need not be told.
const MOST: usize = 20;

/// A thread that reads the ledger of a running system again and again.
///
/// Terms only grow. A lane's heartbeat is written by its one owner, from a clock that never goes
/// back: two owners at a time would write it in turns, and now and then out of turn.
#[derive(Debug)]
pub struct Witness {
    ledger: Arc<Ledger>,
    lanes: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Witness {
    /// Watches the first `lanes` lanes of the ledger of this supervisor.
    ///
    /// # Errors
    /// When it has none.
    pub fn start(supervisor: Pid, lanes: u16) -> Result<Self> {
        let ledger = Arc::new(Ledger::open(find(supervisor)?)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (watched, ended) = (Arc::clone(&ledger), Arc::clone(&stop));
        let thread = thread::spawn(move || watch(&watched, lanes, &ended));
        Ok(Self {
            ledger,
            lanes,
            stop,
            thread: Some(thread),
        })
    }

    /// Everything in which the locks of a system at rest are not all its active instance's.
    pub fn check_locks(&self, pair: &Pair) -> Vec<String> {
        (0..self.lanes)
            .filter_map(|lane| {
                let holder = self.ledger.lane(lane).lock.holder();
                let of_active = |thread: i32| {
                    Path::new(&format!("/proc/{}/task/{thread}", pair.active)).exists()
                };
                (!holder.is_some_and(of_active)).then(|| {
                    let active = pair.active;
                    format!("the lock of lane {lane} is held by {holder:?}, not by {active}")
                })
            })
            .collect()
    }

    /// Ends the watch; everything that cannot be with one owner.
    pub fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        let outcome = thread.map(JoinHandle::join);
        match outcome {
            Some(Ok(found)) => found,
            Some(Err(_)) | None => vec!["the witness died".to_owned()],
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn find(supervisor: Pid) -> Result<OwnedFd> {
    for entry in fs::read_dir(format!("/proc/{supervisor}/fd"))? {
        let path = entry?.path();
        let target = fs::read_link(&path).unwrap_or_default();
        if target.to_string_lossy().starts_with(NAME) {
            let file = File::options().read(true).write(true).open(&path)?;
            return Ok(file.into());
        }
    }
    let missing = format!("process {supervisor} has no {NAME}");
    Err(Error::Rig(io::Error::other(missing)))
}

fn watch(ledger: &Ledger, lanes: u16, stop: &AtomicBool) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = HashMap::<String, u64>::new();
    while !stop.load(Ordering::Relaxed) {
        let beats = (0..lanes).map(|lane| {
            let name = format!("heartbeat of lane {lane}");
            (name, ledger.lane(lane).heartbeat())
        });
        let term = ("term".to_owned(), ledger.handover().term().0);
        for (what, now) in beats.chain([term]) {
            let before = seen.insert(what.clone(), now).unwrap_or(0);
            if now < before && found.len() < MOST {
                found.push(format!("the {what} went back from {before} to {now}"));
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    found
}
