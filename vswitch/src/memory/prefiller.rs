//! Fills page tables beside the control thread: gigabytes of small pages take seconds.

use super::GuestMemory;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use vhost_transfer::on_time;

/// Fills the page tables of one device's memory, always the newest, in a thread that lives only as
/// long as there is something to fill.
#[derive(Debug, Default)]
pub struct Prefiller {
    work: Arc<Mutex<Work>>,
}

#[derive(Debug, Default)]
struct Work {
    /// What is to be filled next. What is being filled is given up for it.
    next: Option<Arc<GuestMemory>>,
    thread_runs: bool,
}

impl Prefiller {
    /// Fills the page tables of `memory` for the pages that exist, also those that came since the
    /// last time. It is a hint: where it cannot be done, pages are faulted in when they are touched.
    pub fn fill(&self, memory: &Arc<GuestMemory>) {
        if memory.is_filled() {
            return;
        }
        let mut work = lock(&self.work);
        work.next = Some(Arc::clone(memory));
        if !work.thread_runs {
            let shared = Arc::clone(&self.work);
            let thread = thread::Builder::new().name("prefill".into());
            work.thread_runs = thread.spawn(move || run(&shared)).is_ok();
        }
    }

    /// Nothing is left to be filled.
    pub fn is_idle(&self) -> bool {
        let work = lock(&self.work);
        work.next.is_none() && !work.thread_runs
    }
}

impl Drop for Prefiller {
    /// The thread gives up soon.
    fn drop(&mut self) {
        lock(&self.work).next = Some(Arc::default());
    }
}

fn run(work: &Mutex<Work>) {
    // Nobody waits for this thread who could not go on without, so everybody else's work comes first, the
    // lanes' above all. Where that cannot be had it is one thread among others.
    let _ = on_time::step_back();
    while let Some(memory) = take(work) {
        memory.prefill(&|| lock(work).next.is_none());
    }
}

/// What is to be filled; `None` ends the thread.
fn take(work: &Mutex<Work>) -> Option<Arc<GuestMemory>> {
    let mut work = lock(work);
    let next = work.next.take();
    work.thread_runs = next.is_some();
    next
}

/// No holder of this lock can panic half way.
fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}
