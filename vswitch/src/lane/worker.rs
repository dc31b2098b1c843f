//! The life of one lane: wait for its lock, run, let go, wait again.

mod rounds;

use super::fence;
use super::monotonic_ns;
use super::set::Told;
use super::shared::{LaneEvent, Shared};
use crate::ring::Frame;
use crate::switch::{Forwarder, Plan};
use nix::unistd::gettid;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{LaneGuard, LaneSlot, Left, Predecessor, Tenant, Tenure};
use vhost_transfer::on_time::{self, Rank, Slices};
use vhost_transfer::{PortId, Term};

/// How often a lane that waits for its lock looks whether it should leave, and how long one that has its
/// lock waits for the first lane.
const LOCK_PATIENCE: Duration = Duration::from_millis(10);
/// How long a lane leaves its lock to another instance that has the first lane.
const RIVAL_PATIENCE: Duration = Duration::from_millis(1);
/// How long a lane that let go waits for its successor before it takes the lock back.
const SUCCESSOR_PATIENCE: Duration = Duration::from_millis(50);
/// The generation that a lane which does not run has seen.
pub(super) const NOT_RUNNING: u64 = u64::MAX;

/// One lane's thread.
pub(super) struct Worker {
    number: u16,
    lanes: u16,
    shared: Arc<Shared>,
    /// Generation of the plan in use here, or [`NOT_RUNNING`].
    seen: Arc<AtomicU64>,
    /// It does not wait for its lock.
    rests: Arc<AtomicBool>,
    forwarder: Forwarder,
    frame: Frame,
    last: Term,
    /// When it got the lock.
    locked_at: Instant,
}

impl Worker {
    pub(super) fn new(number: u16, lanes: u16, shared: Arc<Shared>, told: &Told) -> Self {
        let forwarder = Forwarder::new(
            number,
            Arc::clone(&shared.ledger),
            shared.uplink.clone(),
            shared.aging,
        );
        Self {
            number,
            lanes,
            shared,
            seen: Arc::clone(&told.seen),
            rests: Arc::clone(&told.rests),
            forwarder,
            frame: Frame::default(),
            last: Term(0),
            locked_at: Instant::now(),
        }
    }

    /// Runs until the lanes are told to leave.
    pub(super) fn run(mut self) {
        let ledger = Arc::clone(&self.shared.ledger);
        let slot = ledger.lane(self.number);
        fence::enrol(self.number, slot);
        wake_at_once();
        while !self.shared.stop.load(Acquire) {
            if !self.rises() {
                std::thread::park_timeout(LOCK_PATIENCE);
                continue;
            }
            match slot.lock.acquire(LOCK_PATIENCE) {
                Ok(Some(guard)) => self.hold(slot, guard),
                Ok(None) => {}
                Err(_) => {
                    return self
                        .shared
                        .tell(LaneEvent::Failed("a lane lock cannot be taken any more"));
                }
            }
        }
    }

    /// Whether the lane may wait for its lock from now on; if not, it rests.
    fn rises(&self) -> bool {
        if self.is_wanted() {
            self.rests.store(false, SeqCst);
            // Who stands the lanes down looks afterwards whether they rest.
            if self.is_wanted() {
                return true;
            }
        }
        if !self.rests.swap(true, SeqCst) {
            self.shared.tell(LaneEvent::Rests);
        }
        false
    }

    /// A lane that has its lock waits for the others.
    fn is_wanted(&self) -> bool {
        self.shared.contend.load(SeqCst) || !self.shared.gate.is_empty()
    }

    /// From getting the lock to waiting for it again.
    fn hold(&mut self, slot: &LaneSlot, guard: LaneGuard<'_>) {
        fence::holds(self.number);
        slot.thread.store(gettid().as_raw(), Relaxed);
        let shared = Arc::clone(&self.shared);
        let handover = shared.ledger.handover();
        self.locked_at = Instant::now();
        let left = shared.gate.hold(handover, slot, guard, self.last, self);
        fence::has_let_go(self.number);
        self.seen.store(NOT_RUNNING, SeqCst);
        match left {
            Left::Served { term, all } => self.released(term, all),
            Left::Unserved => std::thread::sleep(RIVAL_PATIENCE),
        }
    }

    /// Where both instances share a CPU the successor runs when this lane sleeps, so all else waits.
    fn released(&mut self, term: Term, all: bool) {
        self.last = term;
        self.await_successor();
        wake_at_once();
        if all {
            let drained = self.shared.drained.swap(0, Relaxed);
            self.shared.tell(LaneEvent::Released { term, drained });
        }
    }

    /// Traffic flows. What a dead owner's last burst has left is now put in order for whoever asks
    /// next where the rings stand.
    fn first_round_done(&self, plan: &Plan, tenure: Tenure, comes_first: bool) {
        if self.number == 0 {
            if comes_first && let Some(control) = fence::control() {
                // The NIC is steered when the control thread has told of it.
                let _ = on_time::come_first(Some(control), Rank::ControlThread);
            }
            self.shared.tell(LaneEvent::Began(tenure));
        }
        if tenure.predecessor == Predecessor::Died {
            let mine = plan.views().filter(|view| self.is_mine(view.port));
            mine.for_each(|view| self.forwarder.find_place(view, tenure));
            self.forwarder.serves(PortId::UPLINK);
        }
    }

    fn is_mine(&self, port: PortId) -> bool {
        port.get() % self.lanes == self.number
    }

    /// After a death the NIC is steered only when the lanes run, so what waits in the uplink by then
    /// was not for this instance: broadcasts that the NIC gives to all, or what a software driver
    /// collects before it is bound to its device. The dead one has delivered it. In a handover, and when
    /// one is undone, the uplink was emptied before, and may have been steered to.
    fn discard_strays(&self, tenure: Tenure) {
        if self.number == 0
            && tenure.predecessor == Predecessor::Died
            && !self.shared.alert.load(Acquire)
            && !self.shared.keeps_uplink.load(Acquire)
            && let Some(uplink) = &self.shared.uplink
        {
            let strays = uplink.discard();
            let counters = self.shared.ledger.counters(PortId::UPLINK);
            counters.rx_dropped.fetch_add(strays, Relaxed);
        }
    }

    /// Lets the successor have the lock first. When none comes, or it is known to be dead, this lane
    /// takes it back: the rings must not stay without an owner.
    fn await_successor(&self) {
        let since = Instant::now();
        let handover = self.shared.ledger.handover();
        let may_return = || {
            let patience_is_over = since.elapsed() > SUCCESSOR_PATIENCE;
            let gate = &self.shared.gate;
            gate.may_return(handover, self.last, patience_is_over)
        };
        while !may_return() && !self.shared.stop.load(Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Without it packets wait a little longer where the CPU is shared; the control thread has said so.
fn wake_at_once() {
    let _ = on_time::wake_at_once(Slices::Waiting);
}

impl Tenant for Worker {
    fn is_first(&self) -> bool {
        self.number == 0
    }

    fn now(&self) -> u64 {
        monotonic_ns()
    }

    fn must_leave(&self) -> bool {
        self.shared.stop.load(Acquire)
    }

    fn is_impatient(&self) -> bool {
        self.locked_at.elapsed() > LOCK_PATIENCE
    }

    fn serve(&mut self, tenure: Tenure) {
        let ledger = Arc::clone(&self.shared.ledger);
        self.forward(ledger.lane(self.number), tenure);
    }

    fn lets_go(&mut self) {
        fence::lets_go(self.number);
    }
}
