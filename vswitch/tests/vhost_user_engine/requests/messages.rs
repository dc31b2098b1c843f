//! Counting fds and bytes, and what is answered.

use super::*;

#[test]
fn fds_are_counted() {
    let table = |fds: usize| {
        Message::memory_table(&regions(), (0..fds).map(|_| memfd(0x20_0000)).collect())
    };
    let region = regions()[1];
    let many = |count: usize| (0..count).map(|_| event()).collect::<Vec<OwnedFd>>();
    let with = |message: Message, count| Message {
        fds: many(count),
        ..message
    };
    let mut subject = Subject::ready();
    let wrong = [
        (table(0), 2, 0),
        (table(1), 2, 1),
        (table(3), 2, 3),
        (with(Message::number(12, 0), 0), 1, 0),
        (with(Message::number(12, 0), 2), 1, 2),
        (with(Message::number(13, 0), 0), 1, 0),
        (with(Message::number(14, 1), 3), 1, 3),
        (with(Message::number(12, 0x100), 1), 0, 1),
        (with(Message::region(37, &region, vec![]), 0), 1, 0),
        (with(Message::region(37, &region, vec![]), 2), 1, 2),
        (with(Message::region(38, &region, vec![]), 2), 0, 2),
        (with(Message::empty(1), 1), 0, 1),
        (with(Message::number(2, FEATURES), 8), 0, 8),
        (with(Message::ring(11, 0, 0), 1), 0, 1),
        (with(Message::new(6, vec![1; 16]), 0), 1, 0),
        (with(Message::empty(7), 0), 1, 0),
    ];
    for (message, expected, got) in wrong {
        let code = message.code;
        let refusal = subject.refused(message);
        assert_eq!(
            refusal,
            Refusal::FdCount { expected, got },
            "request {code}"
        );
    }
}

#[test]
fn protocol_features_come_before_their_requests() {
    let log = Message::new(6, vec![1; 16]).with_fd(event());
    let region = || Message::region(38, &regions()[0], vec![]);
    let add = Message::region(37, &regions()[0], vec![memfd(0x20_0000)]);
    let needs = [
        (Message::empty(17), "MQ"),
        (log, "LOG_SHMFD"),
        (Message::empty(7).with_fd(event()), "LOG_SHMFD"),
        (Message::number(19, 0), "RARP"),
        (Message::number(20, 1500), "NET_MTU"),
        (Message::empty(34), "RESET_DEVICE"),
        (Message::empty(36), "CONFIGURE_MEM_SLOTS"),
        (add, "CONFIGURE_MEM_SLOTS"),
        (region(), "CONFIGURE_MEM_SLOTS"),
        (Message::number(39, 0), "STATUS"),
        (Message::empty(40), "STATUS"),
    ];
    let mut subject = Subject::new();
    for (message, name) in needs {
        assert_eq!(subject.refused(message), Refusal::NotNegotiated(name));
    }
}

#[test]
fn acknowledgements_are_given_only_when_negotiated_and_wanted() {
    let mut subject = Subject::new();
    let owner = Message::empty(3);
    let wanted = Message::empty(3).acknowledged();
    assert_eq!(subject.answer(&wanted), None);
    subject.done(Message::number(16, protocol::REPLY_ACK));
    assert_eq!(subject.answer(&owner), None);
    assert_eq!(subject.answer(&wanted), Some(0));
    let bad_ring = Message::ring(8, 9, 256).acknowledged();
    let request = Request::parse(8, &bad_ring.payload).ok();
    let no = refuse(&header(&bad_ring), request.as_ref(), &subject.0.state).expect("an answer");
    assert_ne!(no[12..], [0; 8]);
    assert_eq!(
        refuse(&header(&owner), Some(&Request::SetOwner), &subject.0.state),
        None
    );
    let base = Message::ring(11, 9, 0).acknowledged();
    let request = Request::parse(11, &base.payload).ok();
    assert_eq!(
        refuse(&header(&base), request.as_ref(), &subject.0.state),
        None,
        "it has its own"
    );
}

#[test]
fn payloads_have_the_size_of_their_request() {
    let sizes = [
        (1, 0),
        (2, 8),
        (3, 0),
        (4, 0),
        (6, 16),
        (7, 0),
        (8, 8),
        (9, 40),
        (10, 8),
        (11, 8),
        (12, 8),
        (13, 8),
        (14, 8),
        (15, 0),
        (16, 8),
        (17, 0),
        (18, 8),
        (19, 8),
        (20, 8),
        (34, 0),
        (36, 0),
        (37, 40),
        (38, 40),
        (39, 8),
        (40, 0),
        (5, 8),
    ];
    for (code, size) in sizes {
        assert!(
            Request::parse(code, &vec![0; size]).is_ok(),
            "request {code}"
        );
        for got in [0, 1, 7, 8, 9, 16, 39, 40, 41, 264, 4096] {
            let parsed = Request::parse(code, &vec![0; got]);
            assert_eq!(parsed.is_ok(), got == size, "request {code} of {got} bytes");
        }
    }
    for code in [0, 21, 22, 23, 24, 25, 31, 32, 33, 35, 41, 42, 43, u32::MAX] {
        assert_eq!(
            Request::parse(code, &[]),
            Err(Refusal::UnknownRequest(code))
        );
    }
    let lies = [(3u32, 2usize), (2, 3), (64, 0), (0, 1)];
    for (count, regions) in lies {
        let mut payload = vec![0; 8 + 32 * regions];
        payload[..4].copy_from_slice(&count.to_ne_bytes());
        assert!(matches!(
            Request::parse(5, &payload),
            Err(Refusal::PayloadSize { .. })
        ));
    }
}
