//! What a driver that breaks the rules gets: nothing, and it harms nobody.

use super::driver::*;
use crate::ring::{Frame, Pushed, Ring, RingError, Segment, feature};
use proptest::prelude::*;
use std::ptr::NonNull;
use vhost_transfer::device::{RingFds, RingState, SocketMode};
use vhost_transfer::ledger::Predecessor;
use vhost_transfer::{DeviceState, PortId, Term};

const MODERN: u64 = feature::VERSION_1;

/// A driver whose first chain is the descriptors given as (addr, len, flags, next).
fn with_chain(chain: &[(u64, u32, u16, u16)]) -> Driver {
    let driver = Driver::new(MODERN);
    for (index, &(addr, len, flags, next)) in (0..).zip(chain) {
        driver.descriptor(DESC, index, addr, len, flags, next);
    }
    driver.make_available(0, &[0]);
    driver
}

fn assert_broken(mut driver: Driver, error: RingError) {
    assert_eq!(driver.take_all(), []);
    assert_eq!(driver.cursor.broken(), Some(error));
    assert_eq!(driver.errors(), 1, "the front end is told");
    driver.make_available(1, &[1]);
    assert_eq!(driver.take_all(), [], "a broken ring is left alone");
    assert_eq!((driver.used_index(), driver.errors()), (0, 0));
}

#[test]
fn a_loop_of_descriptors_breaks_the_ring() {
    assert_broken(
        with_chain(&[(BUFFERS, 12, NEXT, 1), (BUFFERS, 12, NEXT, 0)]),
        RingError::Chain(0),
    );
}

#[test]
fn a_descriptor_outside_of_the_table_breaks_the_ring() {
    assert_broken(
        with_chain(&[(BUFFERS, 12, NEXT, SIZE)]),
        RingError::Descriptor(SIZE),
    );
    let driver = Driver::new(MODERN);
    driver.make_available(0, &[SIZE + 1]);
    assert_broken(driver, RingError::Descriptor(SIZE + 1));
}

#[test]
fn an_available_index_that_is_too_far_ahead_breaks_the_ring() {
    let driver = Driver::new(MODERN);
    driver.set_avail_index(SIZE + 1);
    assert_broken(
        driver,
        RingError::AvailIndex {
            avail: SIZE + 1,
            seen: 0,
        },
    );
}

#[test]
fn indirect_tables_must_be_whole_and_not_nested() {
    for len in [0, 8, 17, 16 * 65536] {
        assert_broken(
            with_chain(&[(BUFFERS, len, INDIRECT, 0)]),
            RingError::Chain(0),
        );
    }
    assert_broken(
        with_chain(&[(BUFFERS, 16, INDIRECT | NEXT, 1)]),
        RingError::Chain(0),
    );
    let driver = with_chain(&[(0x8000, 16, INDIRECT, 0)]);
    driver.descriptor(0x8000, 0, BUFFERS, 16, INDIRECT, 0);
    assert_broken(driver, RingError::Chain(0));
    let driver = with_chain(&[(0x8000, 16, INDIRECT, 0)]);
    driver.descriptor(0x8000, 0, BUFFERS, 16, NEXT, 1);
    assert_broken(driver, RingError::Descriptor(1));
}

#[test]
fn what_is_no_packet_is_thrown_away_and_the_ring_goes_on() {
    let no_packets: [(u64, u32, u16, u16); 6] = [
        (MEMORY, 100, 0, 0),
        (MEMORY - 50, 100, 0, 0),
        (u64::MAX - 10, 100, 0, 0),
        (BUFFERS, u32::MAX, 0, 0),
        (BUFFERS, 11, 0, 0),
        (BUFFERS, 100, WRITE, 0),
    ];
    for no_packet in no_packets {
        let mut driver = with_chain(&[no_packet, (BUFFERS, 72, 0, 0)]);
        driver.make_available(0, &[0, 1]);
        assert_eq!(
            driver.take_all(),
            [None, Some(vec![0; 60])],
            "{no_packet:?}"
        );
        assert_eq!((driver.used_index(), driver.errors()), (2, 0));
    }
}

#[test]
fn a_receive_buffer_that_cannot_be_written_breaks_the_ring() {
    for chain in [(BUFFERS, 2048, 0, 0), (MEMORY, 2048, WRITE, 0)] {
        let mut driver = with_chain(&[chain]);
        let bytes = [0u8; 60];
        let mut frame = Frame::default();
        frame.push(Segment {
            at: NonNull::from(&bytes[..]).cast(),
            len: 60,
        });
        assert_eq!(
            driver
                .ring
                .push(&mut driver.cursor, &frame, &mut driver.room),
            Pushed::Broken
        );
        assert_eq!((driver.used_index(), driver.errors()), (0, 1));
    }
}

#[test]
fn a_ring_outside_of_memory_or_of_a_wrong_size_is_refused() {
    let memory = std::sync::Arc::default();
    let device = DeviceState::new(PortId::new(1).unwrap(), SocketMode::Server, 8);
    let refused = |size| {
        let state = RingState {
            size,
            desc_addr: USER,
            ..RingState::default()
        };
        Ring::new(&device, &state, &RingFds::default(), &memory).unwrap_err()
    };
    assert_eq!(refused(0), RingError::Size(0));
    assert_eq!(refused(24), RingError::Size(24));
    assert_eq!(
        refused(256),
        RingError::Address {
            part: "descriptor table",
            addr: USER,
            len: 4096
        }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands in the ring: no panic, no access outside of memory (which would end the
    /// process), no more used than was available.
    #[test]
    fn any_ring_is_survived(
        table in proptest::collection::vec(any::<u8>(), 128),
        near in proptest::collection::vec((0..MEMORY, 0u32..4096, 0u16..8, 0u16..10), 8),
        use_near: bool,
        heads in proptest::collection::vec(0u16..10, 8),
        avail_index in 0u16..12,
        mergeable: bool,
    ) {
        let features = if mergeable { MODERN | feature::MRG_RXBUF } else { MODERN };
        let mut driver = Driver::new(features);
        driver.write(DESC, &table);
        if use_near {
            for (index, &(addr, len, flags, next)) in (0..).zip(&near) {
                driver.descriptor(DESC, index, addr, len, flags, next);
            }
        }
        driver.make_available(0, &heads);
        driver.set_avail_index(avail_index);
        let taken = driver.take_all().len();
        prop_assert!(taken <= usize::from(SIZE));
        prop_assert_eq!(usize::from(driver.used_index()), taken);
        let bytes = [7u8; 1500];
        let mut frame = Frame::default();
        frame.push(Segment { at: NonNull::from(&bytes[..]).cast(), len: 1500 });
        let mut receiver = Driver::new(features);
        receiver.write(DESC, &table);
        receiver.make_available(0, &heads);
        receiver.set_avail_index(avail_index);
        receiver.ring.push(&mut receiver.cursor, &frame, &mut receiver.room);
        receiver.ring.flush(&mut receiver.cursor, &receiver.slot);
        prop_assert!(receiver.used_index() <= SIZE);
    }
}

/// Of a device that another instance has changed; only the first poll of the next term looks again.
#[test]
fn a_ring_that_is_to_be_left_alone_is_not_touched() {
    let mut driver = with_chain(&[(BUFFERS, 12, 0, 0)]);
    driver.cursor.leave_alone(Term(2), RingError::Stale);
    assert_eq!(driver.take_all(), []);
    assert_eq!((driver.used_index(), driver.errors()), (0, 0));
    driver.begin(Term(3), Predecessor::Died);
    assert_eq!(driver.take_all().len(), 1);
}
