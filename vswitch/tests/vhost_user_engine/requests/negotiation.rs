//! Features, owner, status, MTU, RARP, reset.

use super::*;

#[test]
fn offers_only_what_there_is() {
    let subject = Subject::new();
    assert_eq!(subject.answer(&Message::empty(1)), Some(0x1_7060_8008));
    assert_eq!(subject.answer(&Message::empty(15)), Some(0x1_a01f));
    assert_eq!(subject.answer(&Message::empty(17)), Some(1));
    assert_eq!(subject.answer(&Message::empty(36)), Some(64));
    let offloads = 0x3_ff83u64 & !(1 << 15);
    assert_eq!(virtio::OFFERED & offloads, 0, "no offload");
    assert_eq!(virtio::OFFERED & virtio::LOG_ALL, 0);
}

#[test]
fn features_are_those_of_the_offer() {
    let mut subject = Subject::new();
    subject.done(Message::number(2, virtio::OFFERED));
    assert_eq!(subject.0.state.features, virtio::OFFERED);
    let one_more = virtio::OFFERED | 1 << 34;
    assert_eq!(
        subject.refused(Message::number(2, one_more)),
        Refusal::Features(1 << 34)
    );
    assert_eq!(
        subject.refused(Message::number(16, 1 << 12)),
        Refusal::ProtocolFeatures(1 << 12)
    );
}

#[test]
fn features_stay_while_a_ring_is_started() {
    let mut subject = Subject::running();
    let fewer = FEATURES & !virtio::EVENT_IDX;
    assert_eq!(
        subject.refused(Message::number(2, fewer)),
        Refusal::FeaturesInUse(0)
    );
    assert!(subject.done(Message::number(2, FEATURES)).device.is_none());
}

#[test]
fn without_protocol_features_all_rings_are_enabled() {
    let mut subject = Subject::ready();
    assert!(!subject.ring(0).enabled);
    subject.done(Message::number(2, FEATURES & !virtio::PROTOCOL_FEATURES));
    assert!(subject.ring(0).enabled && subject.ring(1).enabled);
}

#[test]
fn without_protocol_features_a_ring_starts_enabled() {
    let mut subject = Subject::new();
    subject.done(Message::number(2, virtio::VERSION_1));
    subject.done(Message::memory_table(
        &regions()[..1],
        vec![memfd(0x10_0000)],
    ));
    start_ring(0, 0)
        .into_iter()
        .for_each(|m| drop(subject.done(m)));
    assert!(subject.ring(0).started && subject.ring(0).enabled);
}

#[test]
fn owner_comes_and_reset_owner_disables_all_rings() {
    let mut subject = Subject::running();
    assert!(subject.0.state.owned);
    subject.done(Message::ring(18, 1, 1));
    subject.done(Message::empty(4));
    assert!(
        subject
            .0
            .state
            .rings
            .iter()
            .all(|ring| ring.started && !ring.enabled)
    );
}

#[test]
fn status_is_kept_and_0_forgets_no_ring() {
    let mut subject = Subject::running();
    subject.done(Message::number(39, 15));
    assert_eq!(subject.answer(&Message::empty(40)), Some(15));
    let rings = subject.0.state.rings.clone();
    subject.done(Message::number(39, 0));
    assert_eq!(subject.0.state.rings, rings);
    assert_eq!(
        subject.refused(Message::number(39, 0x100)),
        Refusal::Status(0x100)
    );
}

#[test]
fn mtu_is_in_its_range() {
    let mut subject = Subject::ready();
    for mtu in [68, 1500, 65535] {
        subject.done(Message::number(20, mtu));
        assert_eq!(subject.0.state.mtu.map(u64::from), Some(mtu));
    }
    for mtu in [0, 67, 65536, u64::MAX] {
        assert_eq!(subject.refused(Message::number(20, mtu)), Refusal::Mtu(mtu));
    }
}

#[test]
fn rarp_changes_nothing() {
    let mut subject = Subject::ready();
    let mac = u64::from_ne_bytes([2, 1, 3, 4, 5, 6, 0xff, 0xff]);
    let outcome = subject.done(Message::number(19, mac));
    assert_eq!(outcome.rarp, Some([2, 1, 3, 4, 5, 6]));
    assert!(outcome.device.is_none());
}

#[test]
fn reset_keeps_what_the_front_end_does_not_send_again() {
    let mut subject = Subject::running();
    subject.done(Message::ring(18, 0, 1));
    subject.done(Message::number(20, 1500));
    subject.done(Message::number(39, 15));
    let outcome = subject.done(Message::empty(34));
    assert_eq!(outcome.stopped, [0, 1]);
    let state = &subject.0.state;
    assert_eq!((state.features, state.status, state.mtu), (0, 0, None));
    assert_eq!(state.protocol_features, PROTOCOL_FEATURES);
    assert!(state.owned && state.memory.len() == 2);
    let as_new = RingState {
        has_call: true,
        has_err: true,
        starts: 1,
        ..RingState::default()
    };
    assert_eq!(state.rings, [as_new, as_new]);
}
