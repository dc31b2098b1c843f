//! Front ends that break the rules. Each gets a clear no, and nothing else is disturbed.

use crate::support::front_end::FrontEnd;
use crate::support::host::{Host, Listener};
use crate::support::message::Message;
use crate::support::script::{Peer, regions};
use crate::support::{backend::Call, event, memfd};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io::Read;
use std::os::fd::OwnedFd;

fn negotiated() -> (Host, FrontEnd, Listener) {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    for message in Peer::Qemu7.connect() {
        host.exchange(&mut front_end, &message);
    }
    (host, front_end, listener)
}

/// The connection is closed, the reason is told once, with the port's name, and the next front end
/// is served.
fn assert_closed(mut host: Host, mut front_end: FrontEnd, listener: &Listener, reason: &str) {
    host.run();
    assert!(front_end.is_closed(), "{:?}", host.backend.calls);
    let Some(Call::Gone(Some(trouble))) = host.backend.last_end() else {
        panic!("{:?}", host.backend.last_end());
    };
    assert!(
        trouble.contains("vm1") && trouble.contains(reason),
        "{trouble}"
    );
    let mut next = listener.connect();
    host.run_until(|host| host.port.device().is_some());
    assert!(host.exchange(&mut next, &Message::empty(1)).is_some());
}

#[test]
fn a_refusal_is_an_answer_where_one_is_wanted() {
    let (mut host, mut front_end, _listener) = negotiated();
    let before = host.state().clone();
    let bad = Message::ring(8, 0, 100).acknowledged();
    let (code, flags, number) = host.exchange(&mut front_end, &bad).expect("an answer");
    assert_eq!((code, flags), (8, 5));
    assert_ne!(number, 0);
    assert_eq!(host.state(), &before);
    let told = host.backend.troubles().concat();
    assert!(
        told.contains("SET_VRING_NUM refused: ring size 100"),
        "{told}"
    );
    let unknown = Message::empty(99).acknowledged();
    assert!(
        host.exchange(&mut front_end, &unknown)
            .is_some_and(|answer| answer.2 != 0)
    );
    assert!(
        host.exchange(&mut front_end, &Message::empty(1)).is_some(),
        "life goes on"
    );
}

#[test]
fn a_refusal_closes_where_no_answer_is_wanted() {
    let (host, front_end, listener) = negotiated();
    front_end.send(&Message::ring(8, 0, 100));
    assert_closed(
        host,
        front_end,
        &listener,
        "SET_VRING_NUM refused: ring size 100",
    );
}

#[test]
fn a_request_with_an_answer_of_its_own_cannot_be_refused_politely() {
    let (host, front_end, listener) = negotiated();
    front_end.send(&Message::ring(11, 77, 0).acknowledged());
    assert_closed(
        host,
        front_end,
        &listener,
        "GET_VRING_BASE refused: there is no ring 77",
    );
}

#[test]
fn patience_has_an_end() {
    let (mut host, mut front_end, listener) = negotiated();
    for _ in 0..16 {
        let bad = Message::number(20, 1).acknowledged();
        assert!(host.exchange(&mut front_end, &bad).is_some());
    }
    front_end.send(&Message::number(20, 1).acknowledged());
    assert_closed(host, front_end, &listener, "NET_SET_MTU refused: MTU 1");
}

#[test]
fn other_protocols_are_recognised() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "not a vhost-user front end",
        ),
        (
            &[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
            "not a vhost-user front end",
        ),
        (
            &[1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0],
            "not a vhost-user front end",
        ),
        (
            &[1, 0, 0, 0, 1, 0, 0, 0, 1, 16, 0, 0],
            "announces 4097 bytes, over the limit of 4096",
        ),
    ];
    for (bytes, reason) in cases {
        let (host, front_end, listener) = Host::with_front_end();
        front_end.send_raw(bytes, &[] as &[OwnedFd]);
        assert_closed(host, front_end, &listener, reason);
    }
}

#[test]
fn a_message_may_come_in_pieces_but_its_fds_only_with_the_last() {
    let (mut host, mut front_end, listener) = negotiated();
    let bytes = Message::number(13, 0).bytes();
    for byte in &bytes[..19] {
        front_end.send_raw(&[*byte], &[] as &[OwnedFd]);
        host.run();
    }
    let revision = host.state().revision;
    front_end.send_raw(&bytes[19..], &[event()]);
    host.run();
    assert_eq!(host.state().revision, revision + 1);
    assert!(host.exchange(&mut front_end, &Message::empty(1)).is_some());
    front_end.send_raw(&bytes[..12], &[event()]);
    front_end.send_raw(&bytes[12..], &[] as &[OwnedFd]);
    assert_closed(host, front_end, &listener, "one sendmsg");
}

#[test]
fn half_a_message_and_a_hang_up_is_a_hang_up() {
    for length in [1, 11, 12, 19] {
        let (mut host, front_end, _listener) = negotiated();
        front_end.send_raw(&Message::number(2, 0).bytes()[..length], &[] as &[OwnedFd]);
        host.run();
        assert!(host.port.device().is_some());
        drop(front_end);
        host.run();
        assert_eq!(
            host.backend.last_end(),
            Some(&Call::Gone(None)),
            "{length} bytes"
        );
    }
}

/// Every duplicate is closed again, those of each look too: the pipe's other end sees its end.
#[test]
fn fds_beyond_the_count_are_closed() {
    let region = regions()[0];
    let messages: [fn(Vec<OwnedFd>) -> Message; 4] = [
        |fds| Message {
            fds,
            ..Message::empty(1)
        },
        |fds| Message {
            fds,
            ..Message::number(12, 0).acknowledged()
        },
        |fds| Message {
            fds,
            ..Message::number(13, 0)
        },
        |fds| Message {
            fds,
            ..Message::new(77, vec![0; 100]).acknowledged()
        },
    ];
    let with_region = Message::region(37, &region, pipe_ends(253).1);
    let (host, front_end, listener) = negotiated();
    front_end.send(&with_region);
    drop(with_region);
    assert_closed(
        host,
        front_end,
        &listener,
        "253 fds came with it where 1 belong",
    );
    for message in messages {
        let (mut host, front_end, _listener) = negotiated();
        let (mut read_end, write_ends) = pipe_ends(253);
        let message = message(write_ends);
        front_end.send(&message);
        drop(message);
        host.run();
        let mut rest = Vec::new();
        assert_eq!(
            read_end.read_to_end(&mut rest).ok(),
            Some(0),
            "a duplicate is left"
        );
    }
}

/// A pipe's reading end, which does not block, and so many duplicates of the other.
fn pipe_ends(count: usize) -> (std::fs::File, Vec<OwnedFd>) {
    let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("pipe");
    let mut write_ends = vec![write_end];
    while write_ends.len() < count {
        write_ends.push(write_ends[0].try_clone().expect("dup"));
    }
    (read_end.into(), write_ends)
}

#[test]
fn memory_that_is_none_is_refused() {
    let region = regions()[1];
    let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("socket pair");
    let short = memfd(region.mmap_offset + region.size - 1);
    let sealed = memfd(0x20_0000);
    rustix::fs::fcntl_add_seals(&sealed, rustix::fs::SealFlags::WRITE).expect_err("not sealable");
    let read_only = std::fs::File::open(format!("/proc/self/fd/{}", raw(&sealed))).expect("opens");
    let directory = std::fs::File::open("/").expect("opens");
    let lies: [(OwnedFd, &str); 5] = [
        (short, "0x1fffff"),
        (event(), "is no file in memory"),
        (socket.into(), "is no file in memory"),
        (directory.into(), "is no file in memory"),
        (read_only.into(), "mmap"),
    ];
    for (fd, reason) in lies {
        let (mut host, mut front_end, _listener) = negotiated();
        let before = host.state().clone();
        let message = Message::region(37, &region, vec![fd]).acknowledged();
        let answer = host.exchange(&mut front_end, &message).expect("an answer");
        assert_ne!(answer.2, 0);
        assert_eq!(host.state(), &before);
        let told = host.backend.troubles().concat();
        assert!(
            told.contains("ADD_MEM_REG refused") && told.contains(reason),
            "{told}"
        );
        let good = Message::region(37, &region, vec![memfd(0x20_0000)]).acknowledged();
        assert_eq!(
            host.exchange(&mut front_end, &good).map(|answer| answer.2),
            Some(0)
        );
    }
}

fn raw(fd: &OwnedFd) -> i32 {
    use std::os::fd::AsRawFd;
    fd.as_raw_fd()
}

#[test]
fn a_front_end_that_reads_no_answers_is_dropped() {
    let (mut host, front_end, _listener) = negotiated();
    let limit = 100_000;
    let sent = (0..limit).take_while(|_| {
        front_end.send(&Message::empty(1));
        host.run();
        host.port.device().is_some()
    });
    assert!(sent.count() < limit, "answers go nowhere");
    assert!(
        host.backend
            .troubles()
            .concat()
            .contains("does not read its replies")
    );
}

/// One front end that never stops does not keep the others from their turn.
#[test]
fn a_flood_is_handled_in_rounds() {
    let (mut host, front_end, _listener) = negotiated();
    for _ in 0..100 {
        front_end.send(&Message::empty(3));
    }
    host.port.on_event(&mut host.backend);
    let handled = host
        .backend
        .calls
        .iter()
        .filter(|call| matches!(call, Call::Note(_)))
        .count();
    assert!(host.port.next_deadline().is_some(), "there is more to do");
    host.run();
    let all = host
        .backend
        .calls
        .iter()
        .filter(|call| matches!(call, Call::Note(_)))
        .count();
    assert!(all > handled, "{handled} of {all}");
    assert_eq!(host.port.next_deadline(), None);
}

/// An fd that blocks when it is full would stop the lane that signals.
#[test]
fn event_fds_do_not_block() {
    const SET_VRING_CALL: u32 = 13;
    const SET_VRING_ERR: u32 = 14;
    let (mut host, mut front_end, _listener) = negotiated();
    for code in [SET_VRING_CALL, SET_VRING_ERR] {
        let (full, event) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let message = Message::number(code, 0).with_fd(event.try_clone().unwrap());
        host.exchange(&mut front_end, &message);
        let flags = rustix::fs::fcntl_getfl(&event).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "{code}");
        drop(full);
    }
}
