//! Lives of real front ends, message by message, and what went wrong with them elsewhere.

use crate::support::backend::Call;
use crate::support::front_end::FrontEnd;
use crate::support::host::Host;
use crate::support::message::Message;
use crate::support::script::{PEERS, Peer, RING_SIZE, start_ring};
use vhost_transfer::ledger::RingPosition;

/// Sends the messages one after the other and gives the numbers that were answered.
fn talk(host: &mut Host, front_end: &mut FrontEnd, messages: &[Message]) -> Vec<u64> {
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

/// Started and enabled, of each ring, as the lanes know it.
fn served(host: &Host) -> Vec<(bool, bool)> {
    let lanes = host.backend.world.lanes.as_ref().expect("lanes");
    lanes
        .rings
        .iter()
        .map(|ring| (ring.started, ring.enabled))
        .collect()
}

#[test]
fn a_life_of_each_peer() {
    for peer in PEERS {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        let answers = talk(&mut host, &mut front_end, &peer.life());
        assert!(!answers.is_empty());
        assert_eq!(host.backend.troubles(), [""; 0], "{peer:?}");
        assert!(!front_end.is_closed());
        drop(front_end);
        host.run();
        assert_eq!(host.backend.last_end(), Some(&Call::Gone(None)));
        assert!(host.port.device().is_none());
    }
}

#[test]
fn the_lanes_get_both_rings_and_all_memory() {
    for peer in PEERS {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        talk(&mut host, &mut front_end, &peer.connect());
        talk(&mut host, &mut front_end, &peer.start(7, peer.share()));
        assert_eq!(served(&host), [(true, true); 2], "{peer:?}");
        let lanes = host.backend.world.lanes.clone().expect("the lanes have it");
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
    }
}

/// A status of 0 comes before the positions are asked for, or after: they are not forgotten.
#[test]
fn positions_are_told_at_the_stop() {
    for peer in PEERS {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        talk(&mut host, &mut front_end, &peer.boot());
        host.backend
            .world
            .positions
            .insert(0, RingPosition::split(0xfff0));
        host.backend
            .world
            .positions
            .insert(1, RingPosition::split(3));
        let numbers = talk(&mut host, &mut front_end, &peer.stop());
        assert!(numbers.contains(&(0xfff0 << 32)), "{peer:?}: {numbers:x?}");
        assert!(numbers.contains(&(1 | 3 << 32)), "{peer:?}: {numbers:x?}");
        assert!(served(&host).iter().all(|(started, _)| !started));
    }
}

/// Not at what the driver has made available meanwhile: those descriptors would be skipped.
#[test]
fn a_ring_goes_on_where_it_stopped_unless_told_otherwise() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &Peer::Qemu7.boot());
    host.backend
        .world
        .positions
        .insert(0, RingPosition::split(0xfff0));
    talk(&mut host, &mut front_end, &[Message::ring(11, 0, 0)]);
    host.backend.world.positions.clear();
    let again = start_ring(0, 0)
        .into_iter()
        .filter(|message| message.code != 10);
    talk(&mut host, &mut front_end, &again.collect::<Vec<_>>());
    assert_eq!(
        host.backend.world.positions[&0],
        RingPosition::split(0xfff0)
    );
}

/// Lanes first, so that the position stands; then the vault; then the answer.
#[test]
fn a_stop_goes_by_lanes_then_vault_then_answer() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &Peer::Qemu10.boot());
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

/// A guest that kicks before its ring is enabled need not kick again: lanes poll, and learn of it.
#[test]
fn a_ring_enabled_after_its_kick_is_served() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    let peer = Peer::VirtioUser;
    let boot = peer.boot();
    let enabled_at = boot
        .iter()
        .position(|message| message.code == 18)
        .expect("enables");
    talk(&mut host, &mut front_end, &boot[..enabled_at]);
    assert_eq!(served(&host), [(true, false); 2]);
    talk(&mut host, &mut front_end, &peer.enable(1));
    assert_eq!(served(&host), [(true, true); 2]);
}

/// QEMU enables rings before it starts them, and 10.0 resets the device in between.
#[test]
fn a_ring_enabled_before_its_kick_is_served() {
    for peer in [Peer::Qemu7, Peer::Qemu10] {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        talk(&mut host, &mut front_end, &peer.connect());
        talk(&mut host, &mut front_end, &peer.enable(1));
        talk(&mut host, &mut front_end, &[Message::empty(34)]);
        assert_eq!(served(&host), [(false, false); 2]);
        talk(&mut host, &mut front_end, &peer.start(0, peer.share()));
        assert_eq!(served(&host), [(true, true); 2], "{peer:?}");
    }
}

#[test]
fn an_announcement_goes_out_once() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    talk(&mut host, &mut front_end, &Peer::Qemu7.life());
    let rarp = Call::SendRarp([0x52, 0x54, 0, 1, 2, 3]);
    assert_eq!(
        host.backend
            .calls
            .iter()
            .filter(|call| **call == rarp)
            .count(),
        1
    );
}

/// A connection that dies and comes again negotiates from nothing; old positions are of no account.
#[test]
fn a_reconnect_begins_anew() {
    for peer in PEERS {
        let (mut host, mut front_end, listener) = Host::with_front_end();
        talk(&mut host, &mut front_end, &peer.boot());
        let before = host.state().revision;
        let mut again = listener.connect();
        drop(front_end);
        host.run();
        let revision = host.state().revision;
        assert!(revision > before, "an old copy is known for what it is");
        assert_eq!(host.backend.world.handled.revision, revision);
        assert!(host.state().memory.is_empty() && host.state().rings.is_empty());
        let numbers = talk(&mut host, &mut again, &[Message::ring(11, 1, 0)]);
        assert_eq!(
            numbers,
            [1],
            "the position of a ring that is not set up yet"
        );
        talk(&mut host, &mut again, &peer.connect());
        talk(&mut host, &mut again, &peer.start(42, peer.share()));
        assert_eq!(host.backend.world.positions[&1], RingPosition::split(42));
        assert_eq!(host.backend.troubles(), [""; 0]);
    }
}

/// A front end that leaves in the middle of its negotiation takes nothing with it.
#[test]
fn a_reconnect_may_fail_at_any_message() {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    for length in 0..Peer::Qemu10.boot().len() {
        talk(&mut host, &mut front_end, &Peer::Qemu10.boot()[..length]);
        front_end = listener.connect();
        host.run();
    }
    talk(&mut host, &mut front_end, &Peer::Qemu10.boot());
    assert_eq!(served(&host), [(true, true); 2]);
    assert_eq!(host.backend.troubles(), [""; 0]);
}

/// Messages that come in one rush are still handled one by one, each with its own fds.
#[test]
fn a_front_end_need_not_wait() {
    for peer in PEERS {
        let (mut host, mut front_end, _listener) = Host::with_front_end();
        let messages = peer.boot();
        messages.iter().for_each(|message| front_end.send(message));
        host.run();
        assert_eq!(host.backend.troubles(), [""; 0]);
        let wanted = messages.iter().filter(|message| message.has_answer());
        let got: Vec<u32> = std::iter::from_fn(|| front_end.answer())
            .map(|a| a.0)
            .collect();
        assert_eq!(got, wanted.map(|message| message.code).collect::<Vec<_>>());
        assert_eq!(served(&host), [(true, true); 2]);
    }
}
