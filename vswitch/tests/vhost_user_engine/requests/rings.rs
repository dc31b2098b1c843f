//! Rings: their size, place, position, start and stop.

use super::*;

#[test]
fn a_kick_starts_and_a_base_request_stops() {
    let mut subject = Subject::ready();
    for message in start_ring(1, 9) {
        let is_kick = message.code == 12;
        let outcome = subject.done(message);
        assert_eq!(outcome.started, if is_kick { vec![1] } else { vec![] });
    }
    let ring = *subject.ring(1);
    assert!(ring.started && !ring.enabled && ring.has_kick);
    assert_eq!((ring.base, ring.starts), (9, 1));

    assert!(
        subject
            .done(Message::number(12, 1).with_fd(event()))
            .started
            .is_empty()
    );
    assert_eq!(subject.ring(1).starts, 1, "another kick fd is no new start");

    let outcome = subject.done(Message::ring(11, 1, 0));
    assert_eq!(outcome.stopped, [1]);
    assert!(!subject.ring(1).started && !subject.ring(1).has_kick);
    assert!(
        subject.ring(1).has_call && subject.ring(1).has_err,
        "these are not sent again"
    );
    subject.done(Message::number(12, 1).with_fd(event()));
    assert_eq!(subject.ring(1).starts, 2);
}

#[test]
fn enabling_is_remembered_while_stopped() {
    let mut subject = Subject::running();
    subject.done(Message::ring(18, 0, 1));
    subject.done(Message::ring(11, 0, 0));
    assert!(subject.ring(0).enabled);
    subject.done(Message::ring(18, 0, 0));
    subject.done(Message::number(12, 0).with_fd(event()));
    assert!(subject.ring(0).started && !subject.ring(0).enabled);
    assert_eq!(subject.refused(Message::ring(18, 0, 2)), Refusal::Enable(2));
}

#[test]
fn the_base_of_a_ring_that_nobody_set_up_is_0() {
    let mut subject = Subject::new();
    assert!(subject.done(Message::ring(11, 1, 0)).device.is_none());
    assert_eq!(subject.answer(&Message::ring(11, 1, 0)), Some(1));
}

#[test]
fn a_base_request_is_answered_with_ring_and_position() {
    let mut subject = Subject::ready();
    subject.done(Message::ring(10, 1, 0xfffe));
    assert_eq!(
        subject.answer(&Message::ring(11, 1, 0)),
        Some(1 | 0xfffe << 32)
    );
}

#[test]
fn a_started_ring_keeps_its_shape() {
    let mut subject = Subject::running();
    let at = subject.ring(0).desc_addr;
    let started = Refusal::RingStarted(0);
    assert_eq!(subject.refused(Message::ring(8, 0, 512)), started);
    assert_eq!(subject.refused(Message::ring(10, 0, 3)), started);
    assert_eq!(
        subject.refused(Message::addresses(0, at + 16, at, at)),
        started
    );
    let mut logged = Message::addresses(0, at, at + 0x3000, at + 0x2000);
    logged.payload[4] = 1;
    subject.done(logged);
    assert!(subject.ring(0).log_used, "only its logging may change");
}

#[test]
fn ring_sizes_are_powers_of_two() {
    let mut subject = Subject::ready();
    for size in [1, 2, 256, 32768] {
        subject.done(Message::ring(8, 0, size));
        assert_eq!(u32::from(subject.ring(0).size), size);
    }
    for size in [0, 3, 100, 32769, 65536, 1 << 31, u32::MAX] {
        assert_eq!(
            subject.refused(Message::ring(8, 0, size)),
            Refusal::RingSize(size)
        );
    }
}

#[test]
fn ring_indices_are_below_two() {
    let mut subject = Subject::ready();
    for ring in [2, 15, 255] {
        let none = Refusal::RingIndex(ring);
        assert_eq!(subject.refused(Message::ring(8, ring, 256)), none);
        assert_eq!(subject.refused(Message::ring(10, ring, 0)), none);
        assert_eq!(subject.refused(Message::ring(11, ring, 0)), none);
        assert_eq!(subject.refused(Message::ring(18, ring, 1)), none);
        assert_eq!(subject.refused(Message::addresses(ring, 0, 0, 0)), none);
        for code in [12, 13, 14] {
            let message = Message::number(code, ring.into()).with_fd(event());
            assert_eq!(subject.refused(message), none);
        }
    }
    assert_eq!(
        subject.refused(Message::ring(8, u32::MAX, 256)),
        Refusal::RingIndex(u32::MAX)
    );
}

#[test]
fn positions_of_split_rings_have_16_bits() {
    let mut subject = Subject::ready();
    subject.done(Message::ring(10, 0, 0xffff));
    assert_eq!(subject.ring(0).base, 0xffff);
    assert_eq!(
        subject.refused(Message::ring(10, 0, 0x1_0000)),
        Refusal::RingBase(0x1_0000)
    );
}

#[test]
fn a_ring_starts_only_where_memory_is() {
    let [low, high] = regions();
    let mut subject = Subject::ready();
    assert_eq!(
        subject.refused(Message::number(12, 0).with_fd(event())),
        Refusal::RingUnsized(0)
    );
    subject.done(Message::ring(8, 0, 256));
    let outside = [
        low.user_addr - 16,
        low.user_addr + low.size - 16, // the regions touch, but a part lies in one
        high.user_addr + high.size - 16,
        high.user_addr + high.size,
        u64::MAX - 15,
        0,
    ];
    for desc in outside {
        subject.done(Message::addresses(0, desc, low.user_addr, low.user_addr));
        let refusal = subject.refused(Message::number(12, 0).with_fd(event()));
        let part = "descriptor table";
        assert_eq!(
            refusal,
            Refusal::RingOutside {
                ring: 0,
                part,
                addr: desc,
                len: 4096
            }
        );
    }
    for (desc, used, avail) in [(8, 0, 0), (0, 2, 0), (0, 0, 1)] {
        let at = low.user_addr;
        subject.done(Message::addresses(0, at + desc, at + used, at + avail));
        let refusal = subject.refused(Message::number(12, 0).with_fd(event()));
        assert!(
            matches!(refusal, Refusal::RingAlignment { .. }),
            "{refusal}"
        );
    }
    let end = low.user_addr + low.size;
    subject.done(Message::addresses(
        0,
        end - 4096,
        end - 6 - 2048 - 2,
        end - 6 - 512,
    ));
    subject.done(Message::number(12, 0).with_fd(event()));
}

#[test]
fn memory_stays_where_started_rings_are() {
    let mut subject = Subject::running();
    let [low, high] = regions();
    assert!(matches!(
        subject.refused(Message::region(38, &low, vec![])),
        Refusal::RingOutside { ring: 0, .. }
    ));
    assert!(matches!(
        subject.refused(Message::memory_table(&[high], vec![memfd(0x20_0000)])),
        Refusal::RingOutside { ring: 0, .. }
    ));
    let outcome = subject.done(Message::region(38, &high, vec![]));
    assert!(outcome.memory_changed && outcome.stopped.is_empty());
}

#[test]
fn a_ring_without_kick_fd_is_started_for_polling() {
    let mut subject = Subject::ready();
    for message in start_ring(0, 0)
        .into_iter()
        .filter(|m| m.code != 12 && m.code != 13)
    {
        subject.done(message);
    }
    subject.done(Message::number(12, 0x100));
    subject.done(Message::number(13, 0x100));
    subject.done(Message::number(14, 0x100));
    let ring = subject.ring(0);
    assert!(ring.started && !ring.has_kick && !ring.has_call && !ring.has_err);
}
