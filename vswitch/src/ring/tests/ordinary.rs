//! What a driver that keeps to the rules gets.

use super::driver::*;
use crate::ring::{Frame, Pushed, Segment, feature};
use std::ptr::NonNull;
use vhost_transfer::Term;
use vhost_transfer::ledger::{Predecessor, RingPosition};

const MODERN: u64 = feature::VERSION_1;

fn packet(len: usize) -> Vec<u8> {
    (0..len).map(|byte| byte as u8).collect()
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&[0; HEADER][..], bytes].concat()
}

fn frame_of(bytes: &[u8]) -> Frame {
    let mut frame = Frame::default();
    assert!(frame.push(Segment {
        at: NonNull::from(bytes).cast(),
        len: bytes.len() as u32
    }));
    frame
}

#[test]
fn packets_leave_in_one_buffer_in_many_and_through_an_indirect_table() {
    let mut driver = Driver::new(MODERN);
    let bytes = framed(&packet(100));
    driver.write(BUFFERS, &bytes);
    driver.descriptor(DESC, 0, BUFFERS, 112, 0, 0);
    driver.descriptor(DESC, 1, BUFFERS, 12, NEXT, 2);
    driver.descriptor(DESC, 2, BUFFERS + 12, 1, NEXT, 3);
    driver.descriptor(DESC, 3, BUFFERS + 13, 99, 0, 0);
    let table = 0x8000;
    driver.descriptor(table, 0, BUFFERS, 50, NEXT, 1);
    driver.descriptor(table, 1, BUFFERS + 50, 62, 0, 0);
    driver.descriptor(DESC, 4, table, 32, INDIRECT, 0);
    driver.make_available(0, &[0, 1, 4]);
    assert_eq!(driver.take_all(), vec![Some(packet(100)); 3]);
    assert_eq!(driver.used_index(), 3);
    assert_eq!(
        [driver.used(0), driver.used(1), driver.used(2)],
        [(0, 0), (1, 0), (4, 0)]
    );
    assert_eq!(driver.slot.position(), RingPosition::split(3));
    assert_eq!(driver.calls(), 1, "one interrupt for a batch");
}

#[test]
fn indices_run_over_their_16_bits() {
    let mut driver = Driver::new(MODERN);
    driver.set_position(65534);
    driver.begin(Term(2), Predecessor::Released);
    driver.write(BUFFERS, &framed(&packet(60)));
    (0..SIZE).for_each(|index| driver.descriptor(DESC, index, BUFFERS, 72, 0, 0));
    driver.make_available(65534, &[5, 6, 7, 0]);
    assert_eq!(driver.take_all().len(), 4);
    assert_eq!(driver.used_index(), 2);
    assert_eq!(driver.used(65535), (6, 0));
}

#[test]
fn a_packet_arrives_with_its_header_in_one_buffer() {
    let mut driver = Driver::new(MODERN);
    driver.descriptor(DESC, 3, BUFFERS, 2048, WRITE, 0);
    driver.make_available(0, &[3]);
    let bytes = packet(64);
    assert_eq!(
        driver
            .ring
            .push(&mut driver.cursor, &frame_of(&bytes), &mut driver.room),
        Pushed::Yes
    );
    assert_eq!(driver.used_index(), 0, "not before the flush");
    driver.ring.flush(&mut driver.cursor, &driver.slot);
    assert_eq!((driver.used_index(), driver.used(0)), (1, (3, 76)));
    assert_eq!(
        driver.read::<12>(BUFFERS),
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    );
    assert_eq!(driver.read::<64>(BUFFERS + 12)[..], bytes);
}

#[test]
fn a_long_packet_is_spread_over_mergeable_buffers_and_only_over_these() {
    for (features, expected) in [
        (MODERN | feature::MRG_RXBUF, Pushed::Yes),
        (MODERN, Pushed::NoRoom),
    ] {
        let mut driver = Driver::new(features);
        (0..SIZE).for_each(|index| {
            driver.descriptor(
                DESC,
                index,
                BUFFERS + u64::from(index) * 4096,
                100,
                WRITE,
                0,
            );
        });
        driver.make_available(0, &[0, 1, 2]);
        let bytes = packet(250);
        assert_eq!(
            driver
                .ring
                .push(&mut driver.cursor, &frame_of(&bytes), &mut driver.room),
            expected
        );
        driver.ring.flush(&mut driver.cursor, &driver.slot);
        if expected == Pushed::Yes {
            assert_eq!(driver.read::<12>(BUFFERS)[10], 3);
            assert_eq!(
                [driver.used(0), driver.used(1), driver.used(2)],
                [(0, 100), (1, 100), (2, 62)]
            );
            assert_eq!(driver.read::<100>(BUFFERS + 4096)[..], bytes[88..188]);
            assert_eq!(driver.used_index(), 3);
        } else {
            assert_eq!(driver.used_index(), 0);
        }
    }
}

#[test]
fn without_buffers_there_is_no_room_and_nothing_changes() {
    let mut driver = Driver::new(MODERN);
    let bytes = packet(64);
    assert_eq!(
        driver
            .ring
            .push(&mut driver.cursor, &frame_of(&bytes), &mut driver.room),
        Pushed::NoRoom
    );
    driver.ring.flush(&mut driver.cursor, &driver.slot);
    assert_eq!(
        (driver.used_index(), driver.calls(), driver.errors()),
        (0, 0, 0)
    );
}

#[test]
fn with_event_index_an_interrupt_comes_where_the_driver_asked() {
    let mut driver = Driver::new(MODERN | feature::EVENT_IDX);
    driver.write(BUFFERS, &framed(&packet(60)));
    (0..SIZE).for_each(|index| driver.descriptor(DESC, index, BUFFERS, 72, 0, 0));
    let used_event = AVAIL + 4 + u64::from(SIZE) * 2;
    driver.write(used_event, &100u16.to_le_bytes());
    driver.make_available(0, &[0]);
    driver.take_all();
    assert_eq!(
        driver.calls(),
        1,
        "the first one after a takeover may be owed"
    );
    driver.make_available(1, &[1]);
    driver.take_all();
    assert_eq!(driver.calls(), 0);
    driver.write(used_event, &2u16.to_le_bytes());
    driver.make_available(2, &[2]);
    driver.take_all();
    assert_eq!(driver.calls(), 1);
}

#[test]
fn interrupts_that_are_off_are_not_sent() {
    let mut driver = Driver::new(MODERN);
    driver.write(AVAIL, &1u16.to_le_bytes());
    driver.write(BUFFERS, &framed(&packet(60)));
    driver.descriptor(DESC, 0, BUFFERS, 72, 0, 0);
    driver.make_available(0, &[0]);
    driver.take_all();
    assert_eq!(driver.calls(), 0);
}

#[test]
fn the_driver_is_told_not_to_kick() {
    let driver = Driver::new(MODERN);
    assert_eq!(driver.read::<2>(USED), [1, 0]);
}

#[test]
fn after_a_death_the_used_index_tells_and_after_a_release_the_ledger() {
    let mut driver = Driver::new(MODERN);
    driver.write(BUFFERS, &framed(&packet(60)));
    (0..SIZE).for_each(|index| driver.descriptor(DESC, index, BUFFERS, 72, 0, 0));
    driver.make_available(0, &[0, 1, 2, 3, 4]);
    driver.write(USED + 2, &3u16.to_le_bytes());
    driver.begin(Term(2), Predecessor::Died);
    assert_eq!(driver.take_all().len(), 2, "three were used by who died");
    driver.set_position(1);
    driver.begin(Term(3), Predecessor::Released);
    assert_eq!(driver.take_all().len(), 4);
}
