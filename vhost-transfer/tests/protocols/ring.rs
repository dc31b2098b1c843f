//! A ring between its owner, who may die, its successor, and the guest's driver.

use crate::explore_deaths;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;
use vhost_transfer::ledger::{LaneSlot, RingPosition, RingSlot};
use vhost_transfer::sync::{AtomicU16, mortal};

/// Buffers that the driver has made available.
const BUFFERS: u16 = 2;

/// What a lane serves: a split ring whose available entries all stand there.
#[derive(Default)]
struct Ring {
    lane: LaneSlot,
    slot: RingSlot,
    used_index: AtomicU16,
    used: [UnsafeCell<u16>; BUFFERS as usize],
}

impl Ring {
    /// Takes the lane and uses every buffer that is left. The used index at which it began.
    fn serve(&self) -> u16 {
        let guard = self.lane.lock.acquire(Duration::MAX).unwrap().unwrap();
        let mut position = self.slot.resume(&self.used_index, guard.predecessor);
        let began = position.used;
        while position.used < BUFFERS {
            let next = position.used;
            mortal::step();
            // SAFETY: the lane's owner alone writes, and the driver reads no entry that is not shown.
            self.used[usize::from(next)].with_mut(|entry| unsafe { *entry = next + 100 });
            position = RingPosition::split(next + 1);
            self.slot.show(&self.used_index, position);
        }
        began
    }

    /// What the driver sees: so many entries, each of them written.
    fn look(&self) -> u16 {
        use std::sync::atomic::Ordering::Acquire;
        let published = self.slot.position().used;
        let shown = self.used_index.load(Acquire);
        assert!(
            published <= shown,
            "position {published} is ahead of {shown}"
        );
        for entry in 0..shown {
            // SAFETY: it was shown, and nobody writes it again.
            let is = self.used[usize::from(entry)].with(|entry| unsafe { *entry });
            assert_eq!(is, entry + 100);
        }
        shown
    }
}

/// The driver never sees an entry that is not written or is written again, wherever the owner dies;
/// and every buffer is used once.
#[test]
fn a_successor_goes_on_where_the_driver_saw_the_dead_one() {
    explore_deaths(|mortal| {
        let ring = Arc::new(Ring::default());
        let owner = {
            let (ring, mortal) = (Arc::clone(&ring), mortal.clone());
            thread::spawn(move || mortal.live(|| ring.serve()))
        };
        let successor = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.serve())
        };
        let seen = ring.look();
        owner.join().unwrap();
        let began = successor.join().unwrap();
        assert!(began <= BUFFERS && seen <= BUFFERS);
        assert_eq!(ring.look(), BUFFERS);
        assert_eq!(ring.slot.position(), RingPosition::split(BUFFERS));
    });
}
