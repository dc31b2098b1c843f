use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::emulator::memory::{GuestMemory, Pages};
use crate::emulator::split_ring::RingLayout;

const SIZE: u16 = 4;
const BUFFER: u32 = 64;

/// A queue and the device that plays with it.
struct Game {
    queue: RxQueue,
    memory: Arc<GuestMemory>,
    layout: RingLayout,
    given: u16,
}

impl Game {
    fn new(mergeable: bool) -> Self {
        let memory = Arc::new(GuestMemory::new(2, 1 << 20, Pages::Small).unwrap());
        let mut allocator = Allocator::new(&memory);
        let layout = RingLayout::allocate(SIZE, &mut allocator);
        let ring = SplitRing::new(memory.clone(), layout);
        let mut queue = RxQueue::new(ring, &mut allocator, BUFFER);
        queue.start(mergeable, false, false);
        assert!(queue.publish());
        Self {
            queue,
            memory,
            layout,
            given: 0,
        }
    }

    /// Fills the buffer of entry `head` and gives it back.
    fn give(&mut self, head: u16, bytes: &[u8], length: u32) {
        let descriptor = self.layout.descriptors + 16 * u64::from(head);
        let address = self.memory.u64_at(descriptor).load(Ordering::Relaxed);
        self.memory.write(address, bytes);
        let element = self.layout.used + 4 + 8 * u64::from(self.given % SIZE);
        self.memory
            .u32_at(element)
            .store(u32::from(head), Ordering::Relaxed);
        self.memory
            .u32_at(element + 4)
            .store(length, Ordering::Relaxed);
        self.given = self.given.wrapping_add(1);
        self.memory
            .u16_at(self.layout.used + 2)
            .store(self.given, Ordering::Release);
    }

    fn receive(&mut self) -> Result<Option<Vec<u8>>, RingError> {
        let mut frame = [0; 100];
        let length = self.queue.receive(&mut frame)?;
        Ok(length.map(|length| frame[..length].to_vec()))
    }
}

/// A header that claims this many buffers, and the first bytes of a frame.
fn headed(buffers: u16, frame: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_SIZE];
    bytes[10..12].copy_from_slice(&buffers.to_le_bytes());
    [&bytes, frame].concat()
}

#[test]
fn buffers_are_recycled_for_ever() {
    let mut game = Game::new(false);
    for turn in 0..70_000u32 {
        let head = (turn % u32::from(SIZE)) as u16;
        game.give(head, &headed(0, &turn.to_be_bytes()), 16);
        assert_eq!(game.receive(), Ok(Some(turn.to_be_bytes().to_vec())));
        assert_eq!(game.receive(), Ok(None));
        assert!(game.queue.publish());
    }
}

#[test]
fn a_frame_is_merged_once_all_of_it_is_there() {
    let mut game = Game::new(true);
    game.give(2, &headed(3, &[1; 52]), BUFFER);
    assert_eq!(game.receive(), Ok(None));
    game.give(0, &[2; 20], 20);
    assert_eq!(game.receive(), Ok(None));
    game.give(1, &[3; 5], 5);
    let whole = [vec![1; 52], vec![2; 20], vec![3; 5]].concat();
    assert_eq!(game.receive(), Ok(Some(whole)));
}

#[test]
fn impossible_lengths_are_noticed() {
    for (bytes, length) in [(12, 11), (64, BUFFER + 1), (64, u32::MAX), (0, 0)] {
        let mut game = Game::new(false);
        game.give(0, &vec![0; bytes], length);
        assert_eq!(
            game.receive(),
            Err(RingError::BadLength {
                length,
                size: BUFFER
            })
        );
    }
}

#[test]
fn a_merged_frame_that_is_too_long_is_noticed() {
    let mut game = Game::new(true);
    game.give(0, &headed(2, &[0; 52]), BUFFER);
    game.give(1, &[0; 64], BUFFER);
    assert_eq!(
        game.receive(),
        Err(RingError::BadLength {
            length: BUFFER,
            size: BUFFER
        })
    );
}

#[test]
fn impossible_buffer_counts_are_noticed() {
    for buffers in [0, SIZE + 1, u16::MAX] {
        let mut game = Game::new(true);
        game.give(0, &headed(buffers, &[0; 4]), 16);
        assert_eq!(game.receive(), Err(RingError::BadBufferCount { buffers }));
    }
}
