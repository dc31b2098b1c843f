use super::*;
use std::io::{Read, Write};
use std::thread;

fn pair() -> (FrontEnd, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (FrontEnd::new(ours).unwrap(), theirs)
}

/// Plays a back end that reads `size` bytes and answers with `answer`.
fn back_end(mut stream: UnixStream, size: usize, answer: Vec<u8>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = vec![0; size];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&answer).unwrap();
        bytes
    })
}

fn answer(request: Request, flags: u32, number: u64) -> Vec<u8> {
    [&wire::header(request, flags, 8)[..], &number.to_ne_bytes()].concat()
}

#[test]
fn a_request_gets_its_reply() {
    let (mut front_end, stream) = pair();
    let peer = back_end(stream, 12, answer(Request::GET_FEATURES, 5, 0x1234));
    let reply = front_end
        .request(Request::GET_FEATURES, &[], &[])
        .unwrap()
        .unwrap();
    assert_eq!(reply.number().unwrap(), 0x1234);
    assert_eq!(
        peer.join().unwrap(),
        wire::header(Request::GET_FEATURES, 1, 0)
    );
}

#[test]
fn a_refusal_is_an_error() {
    let (mut front_end, stream) = pair();
    front_end.use_reply_ack(true);
    let peer = back_end(stream, 20, answer(Request::NET_SET_MTU, 5, 7));
    let error = front_end
        .request(Request::NET_SET_MTU, &[0; 8], &[])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the back end refused NET_SET_MTU with code 7"
    );
    assert_eq!(peer.join().unwrap()[4], 9, "version 1 and need-reply");
}

#[test]
fn wrong_replies_are_told_apart() {
    for (reply, complaint) in [
        (answer(Request::GET_STATUS, 5, 0), "it answers GET_STATUS"),
        (answer(Request::GET_FEATURES, 1, 0), "its flags are 0x1"),
        (
            wire::header(Request::GET_FEATURES, 5, 1 << 20).to_vec(),
            "it claims 1048576 bytes",
        ),
    ] {
        let (mut front_end, stream) = pair();
        let peer = back_end(stream, 12, reply);
        let error = front_end
            .request(Request::GET_FEATURES, &[], &[])
            .unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
        peer.join().unwrap();
    }
}

#[test]
fn silence_and_hang_up_are_told_apart() {
    let (mut front_end, stream) = pair();
    front_end
        .set_reply_limit(Duration::from_millis(20))
        .unwrap();
    let silent = front_end
        .request(Request::GET_FEATURES, &[], &[])
        .unwrap_err();
    assert!(matches!(silent, Error::NoReply { .. }), "{silent}");
    drop(stream);
    let closed = front_end.receive(Request::GET_FEATURES).unwrap_err();
    assert!(matches!(closed, Error::Closed { .. }), "{closed}");
    let unsent = front_end
        .request(Request::GET_FEATURES, &[], &[])
        .unwrap_err();
    assert!(matches!(unsent, Error::Closed { .. }), "{unsent}");
}

#[test]
fn any_bytes_with_any_descriptors_can_be_sent() {
    let (mut front_end, stream) = pair();
    let fd = stream.try_clone().unwrap();
    front_end
        .send_raw(&[1, 2, 3], &[fd.as_fd(), fd.as_fd()])
        .unwrap();
    let (mut bytes, mut fds) = ([0; 8], vec![]);
    assert_eq!(receive_some(&stream, &mut bytes, &mut fds).unwrap(), 3);
    assert_eq!(fds.len(), 2);
}
