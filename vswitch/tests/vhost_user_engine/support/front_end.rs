//! The front end's end of a connection. Nothing blocks: the port lives in the same thread.

use super::message::Message;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// An answer: request, flags, number.
pub(crate) type Answer = (u32, u32, u64);

#[derive(Debug)]
pub(crate) struct FrontEnd {
    pub(crate) stream: UnixStream,
}

impl FrontEnd {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_nonblocking(true).expect("nonblocking");
        Self { stream }
    }

    pub(crate) fn send(&self, message: &Message) {
        self.send_raw(&message.bytes(), &message.fds);
    }

    pub(crate) fn send_raw(&self, bytes: &[u8], fds: &[impl AsFd]) {
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        let sent = sendmsg(
            &self.stream,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        );
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// The next answer, `None` when there is none.
    ///
    /// # Panics
    /// When what comes is no answer.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut bytes = [0; 20];
        match self.stream.read(&mut bytes) {
            Ok(20) => {}
            Ok(0) => return None,
            Ok(odd) => panic!("{odd} bytes are no answer"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        }
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        assert_eq!(word(8), 8, "payload of an answer");
        Some((
            word(0),
            word(4),
            u64::from_ne_bytes(bytes[12..].try_into().expect("8 bytes")),
        ))
    }

    /// As [`Self::answer`], of a connection that may be dead.
    pub(crate) fn some_answer(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 20];
        let got = self.stream.read(&mut bytes).unwrap_or(0);
        bytes.truncate(got);
        (got > 0).then_some(bytes)
    }

    /// Whether the other side has closed.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => panic!("an answer was left unread"),
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}
