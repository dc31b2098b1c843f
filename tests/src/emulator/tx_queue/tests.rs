use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::emulator::memory::{GuestMemory, Pages};
use crate::emulator::split_ring::RingLayout;

const SIZE: u16 = 8;

/// A queue and the device that plays with it.
struct Game {
    queue: TxQueue,
    memory: Arc<GuestMemory>,
    layout: RingLayout,
    taken: u16,
}

impl Game {
    fn new(tx_layout: TxLayout, indirect: bool) -> Self {
        let memory = Arc::new(GuestMemory::new(2, 1 << 20, Pages::Small).unwrap());
        let mut allocator = Allocator::new(&memory);
        let layout = RingLayout::allocate(SIZE, &mut allocator);
        let ring = SplitRing::new(memory.clone(), layout);
        let mut queue = TxQueue::new(ring, &mut allocator, tx_layout);
        queue.start(indirect, false, false);
        Self {
            queue,
            memory,
            layout,
            taken: 0,
        }
    }

    /// Takes the next chain, gives it back, and returns the sizes of its parts and all their bytes.
    fn take(&mut self) -> (Vec<usize>, Vec<u8>) {
        let entry = self.layout.available + 4 + 2 * u64::from(self.taken % SIZE);
        let head = self.memory.u16_at(entry).load(Ordering::Relaxed);
        let chain = self.chain(self.layout.descriptors, head);
        let element = self.layout.used + 4 + 8 * u64::from(self.taken % SIZE);
        self.memory
            .u32_at(element)
            .store(u32::from(head), Ordering::Relaxed);
        self.taken = self.taken.wrapping_add(1);
        self.memory
            .u16_at(self.layout.used + 2)
            .store(self.taken, Ordering::Release);
        (chain.iter().map(Vec::len).collect(), chain.concat())
    }

    fn chain(&self, table: u64, index: u16) -> Vec<Vec<u8>> {
        let at = table + 16 * u64::from(index);
        let address = self.memory.u64_at(at).load(Ordering::Relaxed);
        let flags = self.memory.u16_at(at + 12).load(Ordering::Relaxed);
        if flags & INDIRECT != 0 {
            return self.chain(address, 0);
        }
        let mut bytes = vec![0; self.memory.u32_at(at + 8).load(Ordering::Relaxed) as usize];
        self.memory.read(address, &mut bytes);
        let mut parts = vec![bytes];
        if flags & NEXT != 0 {
            parts.extend(self.chain(table, self.memory.u16_at(at + 14).load(Ordering::Relaxed)));
        }
        parts
    }
}

fn expected(frame: &[u8]) -> Vec<u8> {
    [&[0; HEADER_SIZE], frame].concat()
}

#[test]
fn each_layout_describes_header_and_frame() {
    for (layout, indirect, sizes) in [
        (TxLayout::Single, false, vec![112]),
        (TxLayout::Chained, false, vec![12, 100]),
        (TxLayout::Indirect, true, vec![12, 100]),
        (TxLayout::Indirect, false, vec![12, 100]),
    ] {
        let mut game = Game::new(layout, indirect);
        for turn in 0..1000u32 {
            let frame = [turn as u8; 100];
            assert_eq!(game.queue.send(&frame), Ok(true));
            assert!(game.queue.publish());
            assert_eq!(game.take(), (sizes.clone(), expected(&frame)));
            assert_eq!(game.queue.reclaim(), Ok(0));
        }
    }
}

#[test]
fn a_full_queue_refuses_and_goes_on_when_there_is_room() {
    for (layout, slots) in [(TxLayout::Single, 8), (TxLayout::Chained, 4)] {
        let mut game = Game::new(layout, false);
        for _ in 0..slots {
            assert_eq!(game.queue.send(&[1; 60]), Ok(true));
        }
        assert_eq!(game.queue.send(&[2; 60]), Ok(false));
        game.queue.publish();
        assert_eq!(game.queue.reclaim(), Ok(slots));
        game.take();
        assert_eq!(game.queue.send(&[2; 60]), Ok(true));
        assert_eq!(game.queue.reclaim(), Ok(slots));
    }
}
