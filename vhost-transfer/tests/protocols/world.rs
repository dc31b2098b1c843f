//! Two lanes, the instances that want them, and what only their owner may touch.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use vhost_transfer::Term;
use vhost_transfer::ledger::{Gate, Handover, LaneSlot, Left, Tenant, Tenure};
use vhost_transfer::sync::mortal;

/// Lanes of each instance.
pub(crate) const LANES: u16 = 2;

/// What is in the ledger and in guests' memory.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) handover: Handover,
    slots: [LaneSlot; LANES as usize],
    /// How many bursts were served from the rings of each lane.
    rings: [UnsafeCell<u32>; LANES as usize],
}

/// A process.
pub(crate) struct Instance {
    pub(crate) world: Arc<World>,
    pub(crate) gate: Gate,
    /// The lanes that hold their locks, for a handler.
    holds: [AtomicBool; LANES as usize],
}

/// What a lane does in a term; it has served once when it is asked.
pub(crate) type Service<'a> = &'a mut dyn FnMut(&Instance, u16, Tenure);

impl Instance {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Self::with_lanes(LANES, world)
    }

    pub(crate) fn with_lanes(lanes: u16, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            gate: Gate::new(lanes),
            holds: Default::default(),
        })
    }

    pub(crate) fn slot(&self, lane: u16) -> &LaneSlot {
        &self.world.slots[usize::from(lane)]
    }

    /// Waits for lane `number`, and holds it as long as `service` takes.
    pub(crate) fn run(
        &self,
        number: u16,
        last: Term,
        must_leave: &dyn Fn() -> bool,
        service: Service<'_>,
    ) -> Left {
        let slot = self.slot(number);
        let guard = slot.lock.acquire(Duration::MAX).unwrap().unwrap();
        self.holds[usize::from(number)].store(true, Relaxed);
        let mut lane = Lane {
            instance: self,
            number,
            must_leave,
            service,
        };
        self.gate
            .hold(&self.world.handover, slot, guard, last, &mut lane)
    }

    /// What the handler of a fatal signal does for a lane that it was told holds its lock.
    pub(crate) fn abandon(&self, lane: u16) {
        if self.holds[usize::from(lane)].swap(false, Relaxed) {
            // SAFETY: it holds it, and is about to die.
            unsafe { self.slot(lane).abandon(0) };
        }
    }

    /// A burst. In one term it is from the lane's own rings, in the next from the other one's, as lanes
    /// deliver to any port: loom finds it when two do this at a time, or when one does not see what was
    /// done before.
    pub(crate) fn touch(&self, lane: u16, tenure: Tenure) {
        mortal::step();
        let ring = (u64::from(lane) + tenure.term.0) % u64::from(LANES);
        // SAFETY: what these tests are about.
        self.world.rings[ring as usize].with_mut(|bursts| unsafe { *bursts += 1 });
        assert_eq!(self.world.handover.term(), tenure.term, "not its term");
    }
}

impl World {
    /// Bursts that were served.
    pub(crate) fn bursts(&self) -> [u32; LANES as usize] {
        // SAFETY: loom checks that nobody serves now.
        self.rings
            .each_ref()
            .map(|ring| ring.with(|bursts| unsafe { *bursts }))
    }
}

struct Lane<'a> {
    instance: &'a Instance,
    number: u16,
    must_leave: &'a dyn Fn() -> bool,
    service: Service<'a>,
}

impl Tenant for Lane<'_> {
    fn is_first(&self) -> bool {
        self.number == 0
    }

    fn now(&self) -> u64 {
        0
    }

    fn must_leave(&self) -> bool {
        mortal::step();
        (self.must_leave)()
    }

    fn is_impatient(&self) -> bool {
        mortal::step();
        true
    }

    fn serve(&mut self, tenure: Tenure) {
        self.instance.touch(self.number, tenure);
        (self.service)(self.instance, self.number, tenure);
    }

    fn lets_go(&mut self) {
        let number = usize::from(self.number);
        self.instance.holds[number].store(false, Relaxed);
    }
}
