//! What a lane does while it has its lock: one round after the other, until the uplink is drained and
//! somebody else is to go on.

use super::super::idle::Idle;
use super::super::monotonic_ns;
use super::super::shared::{LaneEvent, frame_of};
use super::{NOT_RUNNING, Worker};
use crate::memory;
use crate::switch::Plan;
use nix::unistd::gettid;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};
use vhost_transfer::PortId;
use vhost_transfer::ledger::{LaneSlot, Predecessor, Tenure};

/// The most packets that a lane drains from its uplink: more than a receive ring holds, so that
/// only a NIC which was not steered away delivers so many. A limit in time would cut short the
/// drain of a lane that was not scheduled, and lose what it had left.
const DRAIN_LIMIT: u64 = 1 << 17;
/// Rounds between two looks at the clock for address aging.
const ROUNDS_PER_CLOCK: u64 = 1024;

impl Worker {
    /// Forwards until the term ends.
    pub(super) fn forward(&mut self, slot: &LaneSlot, tenure: Tenure) {
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
                self.first_round_done(&plan, tenure, idle.comes_first());
                idle.settle();
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
