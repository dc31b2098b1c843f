//! What the ledger holds of a lane.

use super::{LaneGuard, LaneLock};
use crate::sync::{AtomicI32, AtomicU32, AtomicU64};
use std::sync::atomic::Ordering::*;

/// A lane's lock, its sign of life, and the two ends of its last freeze.
#[repr(C, align(128))]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct LaneSlot {
    /// Held by the thread that runs this lane.
    pub lock: LaneLock,
    heartbeat: AtomicU64,
    released_at: AtomicU64,
    resumed_at: AtomicU64,
    abandoned: AtomicU64,
    /// The thread that runs the lane, or ran it last, as gettid(2) names it: written when it has the lock,
    /// and in each round anew, so that a second owner is seen.
    pub thread: AtomicI32,
    /// The port whose ring the lane is serving, [`PortId::UPLINK`]'s number: none.
    pub serving: AtomicU32,
}

/// How the lane was left by who held it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// It let go, or there was none.
    Released,
    /// It died.
    Died,
}

impl LaneSlot {
    /// Lets go of the lane in the middle of whatever it did, because its process dies and the
    /// kernel would write a core dump before it let go. `now` is CLOCK_MONOTONIC, ns. Async-signal-safe.
    ///
    /// # Safety
    /// The calling thread holds the lane's lock and touches no ring any more.
    pub unsafe fn abandon(&self, now: u64) {
        self.note_released(now);
        self.abandoned.store(1, Release);
        // SAFETY: the caller's promise.
        unsafe { self.lock.unlock() };
    }

    /// Its holder lets go of a lane that it has not served, after a death or in a term that others
    /// serve: the next is to look where the rings stand. Only who holds the lane calls it.
    pub(super) fn leave_unserved(&self) {
        self.abandoned.store(1, Release);
    }

    /// How the lane was left, by what its lock's new holder was told and by what stands here.
    pub(super) fn left_by(&self, guard: &LaneGuard<'_>) -> Predecessor {
        match self.abandoned.swap(0, AcqRel) {
            0 => guard.predecessor,
            _ => Predecessor::Died,
        }
    }

    /// For who has the lock of a lane whose owner died: the old lane's last burst was at its last
    /// sign of life, unless it could still tell.
    pub(super) fn note_died(&self) {
        self.note_released(self.released_at().max(self.heartbeat()));
    }

    /// A round is done. CLOCK_MONOTONIC, ns; only the lane itself calls it.
    pub fn beat(&self, now: u64) {
        self.heartbeat.store(now, Relaxed);
    }

    /// When the lane last went round, CLOCK_MONOTONIC, ns. It stands still when the lane hangs.
    pub fn heartbeat(&self) -> u64 {
        self.heartbeat.load(Relaxed)
    }

    /// The old lane's last burst is done. CLOCK_MONOTONIC, ns.
    pub fn note_released(&self, now: u64) {
        self.released_at.store(now, Release);
    }

    /// The new lane is about to do its first burst. CLOCK_MONOTONIC, ns.
    pub fn note_resumed(&self, now: u64) {
        self.resumed_at.store(now, Release);
    }

    /// When the lane was last let go, CLOCK_MONOTONIC, ns.
    pub fn released_at(&self) -> u64 {
        self.released_at.load(Acquire)
    }

    /// When the lane last began to run, CLOCK_MONOTONIC, ns.
    pub fn resumed_at(&self) -> u64 {
        self.resumed_at.load(Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn a_lane_that_died_was_released_at_its_last_sign_of_life() {
        let slot = crate::Ledger::create().unwrap();
        let slot = slot.lane(0);
        let released_of = |released, beat| {
            slot.note_released(released);
            slot.beat(beat);
            slot.note_died();
            slot.released_at()
        };
        assert_eq!(released_of(100, 200), 200, "killed");
        assert_eq!(released_of(300, 250), 300, "abandoned");
    }

    #[test]
    fn words_stay_where_they_are() {
        let words = [
            offset_of!(LaneSlot, lock),
            offset_of!(LaneSlot, heartbeat),
            offset_of!(LaneSlot, released_at),
            offset_of!(LaneSlot, resumed_at),
            offset_of!(LaneSlot, abandoned),
            offset_of!(LaneSlot, thread),
            offset_of!(LaneSlot, serving),
            size_of::<LaneSlot>(),
        ];
        assert_eq!(words, [0, 64, 72, 80, 88, 96, 100, 128]);
    }
}
