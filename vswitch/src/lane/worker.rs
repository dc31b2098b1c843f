//! The life of one lane: wait for its lock, run, drain, let go, wait again.

use super::fence;
use super::idle::Idle;
use super::monotonic_ns;
use super::set::Told;
use super::shared::{LaneEvent, Shared, frame_of};
use crate::memory;
use crate::ring::Frame;
use crate::switch::{Forwarder, Plan};
use nix::unistd::gettid;
use rustix::process::Pid;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{LaneGuard, LaneSlot, Left, Predecessor, Tenant, Tenure};
use vhost_transfer::on_time::{self, Slices};
use vhost_transfer::{PortId, Term};

/// How often a lane that waits for its lock looks whether it should leave, and how long one that has its
/// lock waits for the first lane.
const LOCK_PATIENCE: Duration = Duration::from_millis(10);
/// How long a lane leaves its lock to another instance that has the first lane.
const RIVAL_PATIENCE: Duration = Duration::from_millis(1);
/// How long a lane that let go waits for its successor before it takes the lock back.
const SUCCESSOR_PATIENCE: Duration = Duration::from_millis(50);
/// The most packets that a lane drains from its uplink: more than a receive ring holds, so that
/// only a NIC which was not steered away delivers so many. A limit in time would cut short the
/// drain of a lane that was not scheduled, and lose what it had left.
const DRAIN_LIMIT: u64 = 1 << 17;
/// A process that died is taken to exist for so long, and its number to be nobody else's.
const GONE_AFTER: Duration = Duration::from_millis(200);
/// Rounds between two looks at the clock for address aging.
const ROUNDS_PER_CLOCK: u64 = 1024;

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
        wake_at_once(Slices::Waiting);
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
        wake_at_once(Slices::Waiting);
        if all {
            let drained = self.shared.drained.swap(0, Relaxed);
            self.shared.tell(LaneEvent::Released { term, drained });
        }
    }

    /// Forwards until the term ends.
    fn forward(&mut self, slot: &LaneSlot, tenure: Tenure) {
        self.discard_strays(tenure);
        let me = gettid().as_raw();
        let (mut plan, mut generation) = self.current_plan();
        let mut idle = Idle::new(self.shared.poll, tenure.predecessor);
        let mut drain = Drain::default();
        let began = monotonic_ns();
        let mut has_forwarded = false;
        for round in 0u64.. {
            if round % ROUNDS_PER_CLOCK == 0 {
                self.forwarder
                    .set_time((monotonic_ns() / 1_000_000_000) as u32);
            }
            #[cfg(feature = "fault-injection")]
            self.shared.faults.obey();
            let from_uplink = self.poll_uplink(&plan, tenure);
            let work = from_uplink + self.poll_guests(&plan, tenure);
            if work > 0 && !has_forwarded {
                has_forwarded = true;
                self.shared
                    .tell_of_packet(tenure.term, monotonic_ns() - began);
            }
            // Whose round it was: a second owner would be seen by it.
            slot.thread.store(me, Relaxed);
            slot.beat(monotonic_ns());
            if round == 0 {
                self.first_round_done(&plan, tenure);
            }
            if memory::take_news() {
                self.shared.tell(LaneEvent::MemoryLost);
            }
            if self.shared.stop.load(Relaxed) || self.must_go(&mut drain, tenure, from_uplink) {
                return self.flush_uplink(slot);
            }
            if self.shared.generation() != generation {
                (plan, generation) = self.current_plan();
            }
            idle.after(work, self.shared.alert.load(Relaxed));
        }
    }

    /// Traffic flows. What a dead owner's last burst has left is now put in order for whoever asks
    /// next where the rings stand.
    fn first_round_done(&self, plan: &Plan, tenure: Tenure) {
        if self.number == 0 {
            if tenure.predecessor == Predecessor::Died {
                self.let_dead_wait();
            }
            self.shared.tell(LaneEvent::Began(tenure));
        }
        wake_at_once(Slices::Forwarding);
        if tenure.predecessor == Predecessor::Died {
            let mine = plan.views().filter(|view| self.is_mine(view.port));
            mine.for_each(|view| self.forwarder.find_place(view, tenure));
            self.forwarder.serves(PortId::UPLINK);
        }
    }

    /// The other instance has died, and has a core dump to write and memory to tear down, maybe on this
    /// CPU: that can wait, but where its device is waited for. After a while its number may be another's.
    fn let_dead_wait(&self) {
        let ledger = &self.shared.ledger;
        let died_at = ledger.lane(self.number).released_at();
        let is_new = monotonic_ns().saturating_sub(died_at) < GONE_AFTER.as_nanos() as u64;
        let process = &ledger.instance(self.shared.instance.other()).thread;
        if is_new
            && self.shared.takes_from_guests()
            && let Some(process) = Pid::from_raw(process.load(Relaxed))
        {
            // Where it cannot be done packets wait a little longer.
            let _ = on_time::let_wait(process);
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

    /// Says that it is about to use a plan before it looks for the newest, so that the control
    /// thread never takes it for resting on an older one.
    fn current_plan(&self) -> (Arc<Plan>, u64) {
        self.seen.fetch_min(NOT_RUNNING - 1, SeqCst);
        let (plan, generation) = self.shared.plan();
        self.seen.store(generation, SeqCst);
        (plan, generation)
    }

    fn poll_uplink(&mut self, plan: &Plan, tenure: Tenure) -> usize {
        if self.number != 0 {
            return 0;
        }
        for injection in self.shared.injections() {
            frame_of(&injection, &mut self.frame);
            self.forwarder
                .inject(plan, tenure, injection.from, &self.frame);
        }
        self.forwarder.poll_uplink(plan, tenure)
    }

    fn poll_guests(&mut self, plan: &Plan, tenure: Tenure) -> usize {
        let mut work = 0;
        if !self.shared.takes_from_guests() {
            return work;
        }
        for view in plan.views() {
            if self.is_mine(view.port) {
                #[cfg(feature = "fault-injection")]
                self.taste(view.port);
                work += self.forwarder.poll_guest(plan, tenure, view);
            }
        }
        self.forwarder.serves(PortId::UPLINK);
        work
    }

    #[cfg(feature = "fault-injection")]
    fn taste(&self, port: PortId) {
        self.forwarder.serves(port);
        self.shared.faults.taste(port);
    }

    /// Whether the handover is asked for and the uplink is drained. The first lane drains and decides;
    /// the others go on with their guests until it has, and then go, revoked or not: all or none.
    fn must_go(&self, drain: &mut Drain, tenure: Tenure, from_uplink: usize) -> bool {
        if self.number != 0 {
            return self.shared.gate.has_ended(tenure.term);
        }
        if !self.shared.ledger.handover().must_release(tenure.term) {
            *drain = Drain::default();
            return false;
        }
        let done = match &self.shared.uplink {
            Some(_) => drain.is_over(from_uplink, self.shared.drain),
            None => true,
        };
        if done {
            self.shared.drained.store(drain.packets, Relaxed);
            self.shared.keeps_uplink.store(true, Release);
            self.shared.gate.end(tenure.term);
        }
        done
    }

    /// What this lane has sent is on the wire before anything of its successor's.
    fn flush_uplink(&self, slot: &LaneSlot) {
        let Some(uplink) = &self.shared.uplink else {
            return;
        };
        let mut idle = Idle::new(self.shared.poll, Predecessor::Released);
        let has_left = uplink.flush(|| {
            slot.beat(monotonic_ns());
            idle.after(0, false);
        });
        if !has_left {
            self.shared.tell(LaneEvent::Unsent);
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
fn wake_at_once(slices: Slices) {
    let _ = on_time::wake_at_once(slices);
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

/// The emptying of an uplink from which the NIC was steered away.
#[derive(Default)]
struct Drain {
    quiet_since: Option<Instant>,
    packets: u64,
}

impl Drain {
    /// Whether nothing has come for `quiet_for`, after a round in which `from_uplink` packets came.
    fn is_over(&mut self, from_uplink: usize, quiet_for: Duration) -> bool {
        let now = Instant::now();
        if from_uplink > 0 {
            self.packets += from_uplink as u64;
            self.quiet_since = Some(now);
        }
        let quiet_since = *self.quiet_since.get_or_insert(now);
        now - quiet_since >= quiet_for || self.packets >= DRAIN_LIMIT
    }
}
