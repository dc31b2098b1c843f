//! All lanes of an instance, as the control thread handles them.

use super::fence;
use super::shared::Shared;
use super::worker::{NOT_RUNNING, Worker};
use crate::dpdk::{Eal, LaneRegistration};
use crate::switch::Plan;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vhost_transfer::ledger::LaneSlot;

/// A lane that runs sees a new plan within this time, mostly.
const SOON: Duration = Duration::from_micros(500);
/// Between two looks at a lane that takes longer.
const LATER: Duration = Duration::from_micros(200);

/// Why the lanes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The thread could not be made.
    #[error("lane {lane} cannot be started on CPU {cpu}: {error}")]
    Start {
        /// Its number.
        lane: u16,
        /// Where it belongs.
        cpu: u16,
        /// The kernel's word.
        error: io::Error,
    },
    /// The handlers of fatal signals could not be installed.
    #[error("signal handlers of the lanes: {0}")]
    Fence(io::Error),
}

/// The lanes.
#[derive(Debug)]
pub struct LaneSet {
    /// What they share.
    pub shared: Arc<Shared>,
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    thread: JoinHandle<()>,
    told: Told,
}

/// What a lane tells of itself.
#[derive(Debug)]
pub(super) struct Told {
    /// Generation of the plan in use, or [`NOT_RUNNING`].
    pub(super) seen: Arc<AtomicU64>,
    /// It does not wait for its lock.
    pub(super) rests: Arc<AtomicBool>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            seen: Arc::new(AtomicU64::new(NOT_RUNNING)),
            rests: Arc::new(AtomicBool::new(true)),
        }
    }
}

impl LaneSet {
    /// Starts one lane on each CPU of `cpus`. They take no lock yet. The calling thread is the
    /// control thread from now on.
    ///
    /// # Errors
    /// [`LaneError::Start`].
    pub fn start(eal: &Eal, shared: Shared, cpus: &[u16]) -> Result<Self, LaneError> {
        let shared = Arc::new(shared);
        fence::install(shared.ledger.instance(shared.instance))
            .map_err(|error| LaneError::Fence(error.into()))?;
        let count = cpus.len() as u16;
        let lanes = (0..).zip(cpus).map(|(number, &cpu)| {
            let told = Told::default();
            let worker = Worker::new(number, count, Arc::clone(&shared), &told);
            let thread =
                spawn(eal.clone(), number, cpu, worker).map_err(|error| LaneError::Start {
                    lane: number,
                    cpu,
                    error,
                })?;
            Ok(Lane { thread, told })
        });
        Ok(Self {
            lanes: lanes.collect::<Result<_, _>>()?,
            shared,
        })
    }

    /// Lets the lanes take their locks from now on.
    pub fn contend(&self) {
        self.shared.contend.store(true, SeqCst);
        self.lanes
            .iter()
            .for_each(|lane| lane.thread.thread().unpark());
    }

    /// Keeps the lanes from taking locks from now on; one that waits for its lock gives up soon.
    pub fn stand_down(&self) {
        self.shared.contend.store(false, SeqCst);
    }

    /// No lane has its lock or waits for it; after [`Self::stand_down`] none will.
    pub fn are_at_rest(&self) -> bool {
        let mut lanes = self.lanes.iter();
        lanes.all(|lane| lane.told.rests.load(SeqCst))
    }

    /// Changes the plan; on return no lane uses the one before.
    ///
    /// Waits as long as it takes: whether a lane hangs or only has no CPU is for the supervisor to
    /// judge, who has the evidence.
    pub fn change_plan(&self, change: impl FnOnce(&Plan) -> Plan) {
        let (generation, old) = self.shared.replace(change);
        self.lanes.iter().for_each(|lane| lane.wait_for(generation));
        drop(old);
    }

    /// On return every lane that runs has begun a new round, and sees what was changed before.
    pub fn await_round(&self) {
        self.change_plan(Plan::clone);
    }

    /// The lanes' slots in the ledger.
    pub fn slots(&self) -> impl Iterator<Item = &LaneSlot> {
        (0..self.lanes.len() as u16).map(|number| self.shared.ledger.lane(number))
    }

    /// Ends the lanes: they let go of their locks and leave.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Release);
        for lane in self.lanes.drain(..) {
            lane.thread.thread().unpark();
            // A lane that panicked has been reported by the panic hook.
            let _ = lane.thread.join();
        }
    }
}

impl Lane {
    /// Naps before long: a control thread that uses its CPU and comes round no more would be taken
    /// for one in an endless loop.
    fn wait_for(&self, generation: u64) {
        let since = Instant::now();
        while self.seen_before(generation) {
            if since.elapsed() < SOON {
                std::thread::yield_now();
            } else {
                std::thread::sleep(LATER);
            }
        }
    }

    /// The lane runs, and on an older plan or on one that it has not told yet.
    fn seen_before(&self, generation: u64) -> bool {
        match self.told.seen.load(SeqCst) {
            NOT_RUNNING => false,
            seen => seen < generation || seen == NOT_RUNNING - 1,
        }
    }
}

fn spawn(eal: Eal, number: u16, cpu: u16, worker: Worker) -> io::Result<JoinHandle<()>> {
    let mut cpus = CpuSet::new();
    cpus.set(usize::from(cpu)).map_err(io::Error::from)?;
    let (tell, pinned) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name(format!("lane{number}"))
        .spawn(move || {
            let outcome = sched_setaffinity(Pid::from_raw(0), &cpus);
            let failed = outcome.is_err();
            // The starter waits for this word, so it is there to hear it.
            let _ = tell.send(outcome);
            if failed {
                return;
            }
            // Without registration DPDK works all the same, only its mempool caches do not.
            let _registration = LaneRegistration::new(&eal).ok();
            worker.run();
        })?;
    pinned
        .recv()
        .map_err(io::Error::other)?
        .map_err(io::Error::from)?;
    Ok(thread)
}
