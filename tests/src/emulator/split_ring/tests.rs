use super::*;
use crate::emulator::memory::Pages;

const SIZE: u16 = 4;

fn ring() -> SplitRing {
    let memory = Arc::new(GuestMemory::new(1, 1 << 20, Pages::Small).unwrap());
    let layout = RingLayout::allocate(SIZE, &mut Allocator::new(&memory));
    SplitRing::new(memory, layout)
}

/// Plays the device: appends a used element and publishes the index.
fn give_back(ring: &SplitRing, position: u16, head: u32, length: u32) {
    let at = ring.layout.used + 4 + 8 * u64::from(position % SIZE);
    ring.memory.u32_at(at).store(head, Ordering::Relaxed);
    ring.memory.u32_at(at + 4).store(length, Ordering::Relaxed);
    let index = ring.memory.u16_at(ring.layout.used + 2);
    index.store(position.wrapping_add(1), Ordering::Release);
}

#[test]
fn chains_go_round_past_the_wrap_of_the_index() {
    let mut ring = ring();
    for turn in 0..70_000u32 {
        let position = turn as u16;
        let head = position % SIZE;
        ring.add(head);
        assert!(ring.publish());
        assert_eq!(ring.waiting(), Ok(0));
        give_back(&ring, position, u32::from(head), turn);
        assert_eq!(ring.waiting(), Ok(1));
        assert_eq!(ring.take(), Ok(Used { head, length: turn }));
    }
    assert!(ring.in_flight.iter().all(|in_flight| !in_flight));
}

#[test]
fn a_device_that_gives_back_too_much_is_noticed() {
    let mut ring = ring();
    ring.add(0);
    ring.publish();
    ring.add(1);
    give_back(&ring, 1, 0, 0);
    assert_eq!(
        ring.waiting(),
        Err(RingError::UsedTooMuch {
            moved: 2,
            in_flight: 1
        })
    );
}

#[test]
fn a_head_that_is_not_in_flight_is_noticed() {
    let mut ring = ring();
    ring.add(0);
    ring.publish();
    give_back(&ring, 0, 1, 0);
    assert_eq!(ring.take(), Err(RingError::NotInFlight { head: 1 }));
    give_back(&ring, 0, u32::MAX, 0);
    assert_eq!(ring.take(), Err(RingError::NotInFlight { head: u32::MAX }));
    give_back(&ring, 0, 0, 0);
    assert_eq!(ring.take(), Ok(Used { head: 0, length: 0 }));
}

#[test]
fn the_device_asks_for_kicks_by_flag() {
    let mut ring = ring();
    ring.memory
        .u16_at(ring.layout.used)
        .store(NO_NOTIFY, Ordering::Relaxed);
    ring.add(0);
    assert!(!ring.publish());
    assert!(!ring.publish(), "nothing new");
    ring.memory
        .u16_at(ring.layout.used)
        .store(0, Ordering::Relaxed);
    ring.add(1);
    assert!(ring.publish());
}

#[test]
fn the_device_asks_for_kicks_by_event_index() {
    let mut ring = ring();
    ring.start(true, false);
    let event = ring.layout.used + 4 + 8 * u64::from(SIZE);
    ring.memory.u16_at(event).store(1, Ordering::Relaxed);
    ring.add(0);
    assert!(!ring.publish(), "index 1 does not pass event 1");
    ring.add(1);
    assert!(ring.publish(), "index 2 does");
    ring.add(2);
    assert!(!ring.publish(), "event 1 is behind");
}

#[test]
fn interrupts_are_asked_for_only_when_wanted() {
    let mut ring = ring();
    let flags = |ring: &SplitRing| {
        ring.memory
            .u16_at(ring.layout.available)
            .load(Ordering::Relaxed)
    };
    ring.start(false, false);
    assert_eq!(flags(&ring), NO_INTERRUPT);
    ring.start(false, true);
    assert_eq!(flags(&ring), 0);
    let at = ring.layout.available + 4 + 2 * u64::from(SIZE);
    let event = |ring: &SplitRing| ring.memory.u16_at(at).load(Ordering::Relaxed);
    ring.start(true, true);
    assert!(passed(event(&ring), 1, 0));
    ring.start(true, false);
    assert!(!passed(event(&ring), 4, 0));
}
