//! A port and its sockets.

use crate::support::backend::Call;
use crate::support::host::{Host, Listener};
use crate::support::is_present;
use crate::support::message::Message;
use crate::support::script::{FEATURES, Peer, regions};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};
use vhost_transfer::Device;
use vswitch::port::Source;

#[test]
fn tokens_are_told_apart() {
    for number in [1, 7, 511] {
        let port = vhost_transfer::PortId::new(number).expect("in range");
        for source in [Source::Listener, Source::Connection] {
            assert_eq!(Source::of(source.token(port)), Some((port, source)));
        }
    }
    for token in [0, 1, 3, 6, 7, 512 * 4, usize::MAX] {
        assert_eq!(Source::of(mio::Token(token)), None, "token {token}");
    }
}

#[test]
fn a_port_that_does_not_serve_leaves_front_ends_waiting() {
    let listener = Listener::new();
    let mut host = Host::server(&listener);
    let mut front_end = listener.connect();
    front_end.send(&Message::empty(1));
    host.run();
    assert_eq!(host.backend.calls, []);
    assert_eq!(host.port.next_deadline(), None);
    host.serve(true);
    host.run();
    assert_eq!(front_end.answer().map(|answer| answer.0), Some(1));
}

/// Should the instance die, the vault has the connection.
#[test]
fn nothing_is_read_before_the_vault_has_the_connection() {
    let listener = Listener::new();
    let mut host = Host::server(&listener);
    host.vault_answers = false;
    host.serve(true);
    let mut front_end = listener.connect();
    front_end.send(&Message::empty(1));
    host.run();
    assert_eq!(host.backend.calls.last(), Some(&Call::Store(1)));
    assert_eq!(front_end.answer(), None);
    host.vault_answers = true;
    host.run();
    assert!(front_end.answer().is_some());
}

/// Quiesce: the message at hand is finished, the next one is left.
#[test]
fn the_message_at_hand_is_finished_and_no_other_is_begun() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    host.vault_answers = false;
    front_end.send(&Message::empty(3));
    front_end.send(&Message::empty(1));
    host.run();
    assert!(!host.port.is_settled() && !host.state().owned);
    host.serve(false);
    host.vault_answers = true;
    host.run();
    assert!(host.port.is_settled() && host.state().owned);
    assert_eq!(front_end.answer(), None);
    host.serve(true);
    host.run();
    assert_eq!(front_end.answer().map(|answer| answer.0), Some(1));
}

/// The vault speaks of a revision that is no longer waited for.
#[test]
fn an_old_acknowledgement_is_no_acknowledgement() {
    let (mut host, front_end, _listener) = Host::with_front_end();
    host.vault_answers = false;
    front_end.send(&Message::empty(3));
    host.run();
    let revision = host.state().revision;
    host.port.on_stored(revision, &mut host.backend);
    host.port.on_stored(revision + 2, &mut host.backend);
    assert!(!host.port.is_settled());
    host.port.on_stored(revision + 1, &mut host.backend);
    assert!(host.port.is_settled() && host.state().owned);
    host.port.on_stored(revision + 1, &mut host.backend);
}

#[test]
fn a_second_front_end_is_turned_away_until_the_first_has_left() {
    let (mut host, mut first, listener) = Host::with_front_end();
    let mut second = listener.connect();
    host.run();
    assert!(second.is_closed());
    let troubles = host.backend.troubles();
    assert_eq!(troubles.len(), 1);
    assert!(
        troubles[0].contains("vm1") && troubles[0].contains("turned away"),
        "{troubles:?}"
    );
    assert!(host.exchange(&mut first, &Message::empty(1)).is_some());
    drop(first);
    let mut third = listener.connect();
    host.run();
    assert!(host.exchange(&mut third, &Message::empty(1)).is_some());
}

/// One that tries for ever costs a look a second, and one line of trouble with it.
#[test]
fn those_turned_away_do_not_keep_the_port_busy() {
    let (mut host, _first, listener) = Host::with_front_end();
    let crowd: Vec<_> = (0..20).map(|_| listener.connect()).collect();
    host.run();
    assert_eq!(host.backend.troubles().len(), 1);
    let deadline = host.port.next_deadline().expect("looks again");
    assert!(deadline > Instant::now() + Duration::from_millis(500));
    drop(crowd);
}

#[test]
fn a_client_connects_when_its_front_end_listens() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("vm.sock");
    let mut host = Host::client(path.to_str().expect("utf-8"));
    host.serve(true);
    host.run();
    assert!(host.port.device().is_none() && host.port.next_deadline().is_some());
    let listener = UnixListener::bind(&path).expect("bind");
    host.run_until(|host| host.port.device().is_some());
    let (stream, _) = listener.accept().expect("accept");
    let mut front_end = crate::support::front_end::FrontEnd::new(stream);
    assert!(host.exchange(&mut front_end, &Message::empty(1)).is_some());
    drop(front_end);
    host.run_until(|host| host.backend.calls.contains(&Call::Gone(None)));
    host.run_until(|host| host.port.device().is_some());
    listener.accept().expect("connects again");
    assert_eq!(
        host.backend.troubles(),
        [""; 0],
        "to wait for a VM is no trouble"
    );
}

#[test]
fn a_path_that_no_socket_can_have_is_told_once() {
    let mut host = Host::client(&format!("/{}", "x".repeat(200)));
    host.serve(true);
    let limit = Instant::now() + Duration::from_millis(100);
    while Instant::now() < limit {
        host.run();
    }
    let troubles = host.backend.troubles();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(
        troubles[0].contains("vm1") && troubles[0].contains("xxx"),
        "{troubles:?}"
    );
}

/// The vault and a standby hold duplicates of the socket; the front end must notice all the same.
#[test]
fn a_close_is_seen_by_the_front_end_at_once() {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    let duplicate = host.backend.world.vault.clone().expect("the vault's");
    host.port.close("the port is removed", &mut host.backend);
    assert!(front_end.is_closed());
    assert!(host.backend.troubles()[0].contains("the port is removed"));
    assert!(host.port.device().is_none() && host.backend.world.lanes.is_none());
    drop(duplicate);
    let mut again = listener.connect();
    host.run_until(|host| host.port.device().is_some());
    assert!(host.exchange(&mut again, &Message::empty(1)).is_some());
}

#[test]
fn a_standby_that_drops_its_mirror_disturbs_nobody() {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    let mut standby = Host::server(&listener);
    standby
        .adopt(host.backend.world.vault.clone().expect("stored"))
        .expect("can be adopted");
    standby.port.drop_device(&mut standby.backend);
    assert_eq!(standby.backend.calls.last(), Some(&Call::Apply(None)));
    drop(standby);
    assert!(host.exchange(&mut front_end, &Message::empty(1)).is_some());
}

/// A front end that has left in the meantime is noticed by who serves next.
#[test]
fn a_hang_up_during_a_handover_is_noticed_after_it() {
    let (mut host, front_end, listener) = Host::with_front_end();
    let mut standby = Host::server(&listener);
    standby
        .adopt(host.backend.world.vault.clone().expect("stored"))
        .expect("can be adopted");
    host.serve(false);
    drop(front_end);
    std::mem::swap(&mut host.backend.world, &mut standby.backend.world);
    standby.serve(true);
    standby.run();
    assert_eq!(standby.backend.last_end(), Some(&Call::Gone(None)));
}

fn running() -> (Host, Device, Listener, crate::support::front_end::FrontEnd) {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    for message in Peer::Qemu10.boot() {
        host.exchange(&mut front_end, &message);
    }
    let device = host.backend.world.vault.clone().expect("stored");
    (host, device, listener, front_end)
}

#[test]
fn only_a_standby_adopts() {
    let (mut host, device, ..) = running();
    let refused = host.adopt(device).expect_err("it serves");
    assert!(refused.contains("vm1"), "{refused}");
}

/// The port is as before when a device cannot be served.
#[test]
fn a_device_that_this_version_does_not_understand_is_not_adopted() {
    let (_host, device, listener, _front_end) = running();
    let mut standby = Host::server(&listener);
    standby.adopt(device.clone()).expect("can be adopted");
    type Change = fn(&mut Device);
    let wrong: [(Change, &str); 4] = [
        (|device| device.state.features |= 1 << 34, "0x400000000"),
        (|device| device.state.protocol_features |= 1 << 12, "0x1000"),
        (|device| device.state.rings[0].size = 100, "ring size 100"),
        (
            |device| device.state.rings[1].used_addr = 4096,
            "used ring of ring 1",
        ),
    ];
    for (change, text) in wrong {
        let mut foreign = device.clone();
        change(&mut foreign);
        let refused = standby.adopt(foreign).expect_err("is refused");
        assert!(
            refused.contains("vm1") && refused.contains(text),
            "{refused}"
        );
        assert_eq!(standby.state(), &device.state);
    }
}

/// Every state that is stored comes with fds of its own; what is mapped stays mapped.
#[test]
fn a_mirror_keeps_its_mappings() {
    let (mut host, device, listener, mut front_end) = running();
    let mut standby = Host::server(&listener);
    standby.adopt(device).expect("can be adopted");
    let address = |host: &Host| {
        let memory = host.port.memory().expect("memory");
        regions().map(|region| memory.user_range(region.user_addr, 4096).expect("mapped"))
    };
    let before = address(&standby);
    host.exchange(&mut front_end, &Message::ring(18, 0, 0).acknowledged());
    standby
        .adopt(host.backend.world.vault.clone().expect("stored"))
        .expect("can be adopted");
    assert_eq!(address(&standby), before);
    assert_ne!(address(&host), before, "another mapping of the same memory");
}

/// What the guest has written is there for the lanes before they need it; nobody waits for that.
#[test]
fn a_mirror_has_its_page_tables_filled() {
    let (host, device, listener, _front_end) = running();
    let of = |host: &Host, at: u64| {
        let memory = host.port.memory().expect("memory");
        memory
            .user_range(regions()[0].user_addr + at, 1)
            .expect("mapped")
    };
    // SAFETY: one byte of a live mapping that no one else uses.
    let touch = |at: u64| unsafe { of(&host, at).write(1) };
    touch(0x4_0000);
    let mut standby = Host::server(&listener);
    standby.adopt(device).expect("can be adopted");
    standby.run_until(|standby| standby.port.is_prefilled());
    assert!(is_present(of(&standby, 0x4_0000)));
    assert!(
        !is_present(of(&standby, 0x5_0000)),
        "no page that does not exist"
    );
    touch(0x5_0000);
    standby.port.prefill();
    standby.run_until(|standby| standby.port.is_prefilled());
    assert!(is_present(of(&standby, 0x5_0000)));
}

/// Features are acknowledged once a start; that is no reason to move memory.
#[test]
fn the_lanes_keep_the_memory_when_other_things_change() {
    let (mut host, _, _listener, mut front_end) = running();
    let before = host.backend.memory.clone().expect("memory");
    host.exchange(&mut front_end, &Message::number(2, FEATURES));
    host.exchange(&mut front_end, &Message::number(39, 7));
    let after = host.backend.memory.clone().expect("memory");
    assert!(std::sync::Arc::ptr_eq(&before, &after));
}

/// So that a successor which has not heard of a connection's end knows its copy for an old one.
#[test]
fn revisions_go_on_from_one_connection_to_the_next() {
    const SET_OWNER: u32 = 3;
    let (mut host, mut front_end, listener) = Host::with_front_end();
    host.exchange(&mut front_end, &Message::empty(SET_OWNER));
    let before = host.state().revision;
    drop(front_end);
    host.run_until(|host| host.backend.world.vault.is_none());
    assert!(host.backend.world.handled.revision > before);
    let _second = listener.connect();
    host.run_until(|host| host.backend.world.vault.is_some());
    assert!(host.state().revision > before + 1);
}
