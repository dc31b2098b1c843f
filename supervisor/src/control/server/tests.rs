use super::*;
use crate::control::client::{self, ClientError};
use crate::control::frame;
use crate::control::protocol::Failure;
use mio::{Events, Poll};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
const FIRST: Token = Token(7);

/// A server on its own thread, which answers every request alike; dropped, it stops.
struct Running {
    directory: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(answer: impl Fn(Request) -> Option<Response> + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut poll = Poll::new().unwrap();
        let path = directory.path().join("control.sock");
        let mut server = ControlServer::bind(&path, poll.registry(), FIRST).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut events = Events::with_capacity(8);
            while !stopped.load(Ordering::Relaxed) {
                poll.poll(&mut events, Some(Duration::from_millis(10)))
                    .unwrap();
                for event in &events {
                    assert!(server.owns(event.token()));
                    for (from, request) in server.ready(event.token()) {
                        if let Some(response) = answer(request) {
                            server.reply(from, &response);
                        }
                    }
                }
            }
        });
        Self {
            directory,
            stop,
            thread: Some(thread),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

fn refusal_of(text: &str) -> Response {
    Response::Failed(Failure::refused(text))
}

#[test]
fn a_request_is_answered_and_so_is_the_next() {
    let server = Running::start(|request| {
        let Request::PortDel { name } = request else {
            panic!("{request:?}")
        };
        Some(Response::Unknown { what: name })
    });
    for _ in 0..2 * MAX_CONNECTIONS {
        let name = "vm1".to_owned();
        let answer = client::call(&server.path(), &Request::PortDel { name }, LIMIT).unwrap();
        assert_eq!(
            answer,
            Response::Unknown {
                what: "vm1".to_owned()
            }
        );
    }
}

#[test]
fn an_answer_larger_than_the_socket_buffer_arrives_whole() {
    let long = "x".repeat(3_000_000);
    let sent = long.clone();
    let server = Running::start(move |_| Some(refusal_of(&sent)));
    let answer = client::call(&server.path(), &Request::Status, LIMIT).unwrap();
    assert_eq!(answer, refusal_of(&long));
}

#[test]
fn an_answer_beyond_the_limit_becomes_a_failure() {
    let server = Running::start(|_| Some(refusal_of(&"x".repeat(frame::MAX_RESPONSE))));
    let answer = client::call(&server.path(), &Request::Status, LIMIT).unwrap();
    let Response::Failed(failure) = answer else {
        panic!("{answer:?}")
    };
    assert!(failure.reason.contains("cannot be sent"), "{failure:?}");
}

#[test]
fn a_hostile_client_is_told_why_and_others_are_served() {
    let server = Running::start(|_| Some(Response::Done));
    for (bytes, why) in [
        (&b"\xff\xff\xff\xff"[..], "the limit is"),
        (b"\0\0\0\x02{}", "cannot be read"),
        (b"\0\0\0\x02{}{}", "more than one request"),
    ] {
        let mut stream = StdStream::connect(server.path()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = frame::decode::<Response>(&answer).unwrap();
        assert!(format!("{answer:?}").contains(why), "{answer:?}");
    }
    let answer = client::call(&server.path(), &Request::Status, LIMIT).unwrap();
    assert_eq!(answer, Response::Done);
}

#[test]
fn more_connections_than_fit_are_closed_and_the_rest_served_later() {
    let server = Running::start(|_| Some(Response::Done));
    let idle: Vec<_> = (0..MAX_CONNECTIONS)
        .map(|_| StdStream::connect(server.path()).unwrap())
        .collect();
    let refused = client::call(&server.path(), &Request::Status, LIMIT);
    assert!(matches!(refused, Err(ClientError::HungUp)), "{refused:?}");
    drop(idle);
    let answered = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(10));
        client::call(&server.path(), &Request::Status, LIMIT).is_ok()
    });
    assert!(answered);
}

#[test]
fn a_silent_server_and_a_missing_one_are_told_apart() {
    let server = Running::start(|_| None);
    let limit = Duration::from_millis(50);
    let silent = client::call(&server.path(), &Request::Status, limit);
    assert!(matches!(silent, Err(ClientError::Silent(_))), "{silent:?}");
    let missing = server.directory.path().join("missing.sock");
    let error = client::call(&missing, &Request::Status, limit).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
    assert!(error.to_string().contains("vswsup run"), "{error}");
}

#[test]
fn a_reply_to_a_connection_that_has_gone_reaches_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let mut poll = Poll::new().unwrap();
    let mut server = ControlServer::bind(&path, poll.registry(), FIRST).unwrap();
    let mut next_request = |server: &mut ControlServer| {
        let mut events = Events::with_capacity(8);
        loop {
            poll.poll(&mut events, Some(LIMIT)).unwrap();
            assert!(!events.is_empty(), "no request came");
            for event in &events {
                if let Some((from, _)) = server.ready(event.token()).pop() {
                    return from;
                }
            }
        }
    };
    let message = frame::encode(&Request::Status, frame::MAX_REQUEST).unwrap();
    let mut gone = StdStream::connect(&path).unwrap();
    gone.write_all(&message).unwrap();
    let gone_id = next_request(&mut server);
    drop(gone);
    server.ready(Token(FIRST.0 + 1));
    let mut other = StdStream::connect(&path).unwrap();
    other.write_all(&message).unwrap();
    let other_id = next_request(&mut server);
    server.reply(gone_id, &refusal_of("for the one that has gone"));
    server.reply(other_id, &Response::Done);
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).unwrap();
    assert_eq!(frame::decode::<Response>(&answer), Ok(Response::Done));
}

#[test]
fn a_stale_socket_is_replaced_and_another_file_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let poll = Poll::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(ControlServer::bind(&path, poll.registry(), FIRST).unwrap());
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let error = ControlServer::bind(&path, poll.registry(), FIRST).unwrap_err();
    assert!(
        error.to_string().contains("no socket: remove it"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}
