//! Lives of QEMU's network device, message by message.

use crate::support::backend::Call;
use crate::support::host::Host;
use crate::support::message::Message;
use crate::support::script::{
    Qemu, RING_SIZE, connect, enable, life, share, start, start_ring, stop,
};
use vhost_transfer::ledger::RingPosition;

/// Sends the messages one after the other and gives the numbers that were answered.
fn talk(
    host: &mut Host,
    front_end: &mut crate::support::front_end::FrontEnd,
    messages: &[Message],
) -> Vec<u64> {
    let mut numbers = Vec::new();
    for message in messages {
        let answer = host.exchange(front_end, message);
        assert_eq!(
            answer.is_some(),
            message.has_answer(),
            "request {}",
            message.code
        );
        if let Some((code, flags, number)) = answer {
            assert_eq!((code, flags), (message.code, 5));
            numbers.push(number);
        }
    }
    numbers
}

#[test]
fn a_life_of_each_version() {
    for qemu in [Qemu::V7_2, Qemu::V10_0] {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        talk(&mut host, &mut front_end, &life(qemu));
        assert_eq!(host.backend.troubles(), [""; 0]);
        assert!(!front_end.is_closed());
        let rarp = Call::SendRarp([0x52, 0x54, 0, 1, 2, 3]);
        assert_eq!(
            host.backend
                .calls
                .iter()
                .filter(|call| **call == rarp)
                .count(),
            1
        );
        drop(front_end);
        host.run();
        assert_eq!(host.backend.calls.last(), Some(&Call::Gone(None)));
        assert!(host.port.device().is_none());
    }
}

#[test]
fn the_lanes_get_both_rings_and_all_memory() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &connect());
    talk(&mut host, &mut front_end, &start(Qemu::V10_0, 7, share()));
    let lanes = host.backend.world.lanes.clone().expect("the lanes have it");
    assert!(lanes.rings.iter().all(|ring| ring.started && ring.enabled));
    assert!(
        lanes
            .rings
            .iter()
            .all(|ring| u32::from(ring.size) == RING_SIZE)
    );
    assert_eq!(
        host.backend.memory.as_ref().map(|memory| memory.size()),
        Some(0x20_0000)
    );
    assert_eq!(host.backend.world.positions[&0], RingPosition::split(7));
    assert_eq!(host.backend.world.positions[&1], RingPosition::split(7));
    assert_eq!(lanes.mtu, Some(1500));
}

/// Status 0 comes before the last position on 7.2: it must not be forgotten.
#[test]
fn positions_are_told_at_the_stop_and_taken_up_at_the_start() {
    for qemu in [Qemu::V7_2, Qemu::V10_0] {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        talk(&mut host, &mut front_end, &connect());
        talk(&mut host, &mut front_end, &start(qemu, 0, share()));
        host.backend
            .world
            .positions
            .insert(0, RingPosition::split(0xfff0));
        host.backend
            .world
            .positions
            .insert(1, RingPosition::split(3));
        let numbers = talk(&mut host, &mut front_end, &stop(qemu));
        assert!(numbers.contains(&(0xfff0 << 32)), "{numbers:x?}");
        assert!(numbers.contains(&(1 | 3 << 32)), "{numbers:x?}");
        assert!(
            host.backend
                .world
                .lanes
                .as_ref()
                .is_some_and(|lanes| { lanes.rings.iter().all(|ring| !ring.started) })
        );
        // A front end that does not set the position again.
        let again = start_ring(0, 0)
            .into_iter()
            .filter(|message| message.code != 10);
        talk(&mut host, &mut front_end, &again.collect::<Vec<_>>());
        assert_eq!(
            host.backend.world.positions[&0],
            RingPosition::split(0xfff0)
        );
    }
}

/// A ring is stopped before its position is read, and the vault has the position before it is told.
#[test]
fn a_stop_goes_by_lanes_then_vault_then_answer() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &connect());
    talk(&mut host, &mut front_end, &start(Qemu::V10_0, 0, share()));
    host.vault_answers = false;
    host.backend.calls.clear();
    let revision = host.state().revision;
    assert_eq!(
        host.exchange(&mut front_end, &Message::ring(11, 0, 0)),
        None
    );
    assert_eq!(
        host.backend.calls,
        [Call::StopRing(0), Call::Store(revision + 1)]
    );
    assert!(!host.port.is_settled());
}

/// A guest that kicks at once need not be kicked again: lanes poll, and they learn of the ring.
#[test]
fn a_ring_enabled_after_its_kick_is_served() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &connect());
    let messages = start(Qemu::V7_2, 0, share());
    let before_enable = messages.len() - 3;
    talk(&mut host, &mut front_end, &messages[..before_enable]);
    let served = |host: &Host| {
        let lanes = host.backend.world.lanes.as_ref().expect("lanes");
        lanes
            .rings
            .iter()
            .map(|ring| (ring.started, ring.enabled))
            .collect::<Vec<_>>()
    };
    assert_eq!(served(&host), [(true, false); 2]);
    talk(&mut host, &mut front_end, &enable(Qemu::V7_2, 1));
    assert_eq!(served(&host), [(true, true); 2]);
}

/// A connection that dies and comes again negotiates from nothing.
#[test]
fn a_reconnect_begins_anew() {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &connect());
    talk(&mut host, &mut front_end, &start(Qemu::V10_0, 0, share()));
    let mut again = listener.connect();
    drop(front_end);
    host.run();
    assert_eq!(host.state().revision, 1);
    assert_eq!(host.backend.world.handled.revision, 1);
    assert!(host.state().memory.is_empty() && host.state().rings.is_empty());
    let numbers = talk(&mut host, &mut again, &[Message::ring(11, 1, 0)]);
    assert_eq!(numbers, [1], "a ring that is not set up yet");
    talk(&mut host, &mut again, &connect());
    talk(&mut host, &mut again, &start(Qemu::V10_0, 42, share()));
    assert_eq!(host.backend.world.positions[&1], RingPosition::split(42));
    assert_eq!(host.backend.troubles(), [""; 0]);
}

/// Messages that come in one piece are still handled one by one.
#[test]
fn a_front_end_need_not_wait() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    let messages: Vec<_> = connect()
        .into_iter()
        .chain(start(Qemu::V7_2, 0, share()))
        .collect();
    messages.iter().for_each(|message| front_end.send(message));
    host.run();
    assert_eq!(host.backend.troubles(), [""; 0]);
    let wanted: Vec<u32> = messages
        .iter()
        .filter(|message| message.has_answer())
        .map(|message| message.code)
        .collect();
    let got: Vec<u32> = std::iter::from_fn(|| front_end.answer())
        .map(|answer| answer.0)
        .collect();
    assert_eq!(got, wanted);
    assert!(
        host.state()
            .rings
            .iter()
            .all(|ring| ring.started && ring.enabled)
    );
}
