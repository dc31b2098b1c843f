//! The one socket between the supervisor and an instance: SOCK_SEQPACKET, never blocking.

mod listener;
mod socket;

pub use listener::LifelineListener;

use crate::cbor;
use crate::frame::{self, FrameError, HEADER_LEN, MAX_BODY};
use minicbor::{Decode, Encode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Messages that wait for a peer which does not read; one more and the peer counts as stuck.
const MAX_QUEUED: usize = 4096;

/// Why the lifeline cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum LifelineError {
    /// The other end is closed.
    #[error("the peer closed the lifeline")]
    Closed,
    /// The other end does not read.
    #[error("the peer has not read {MAX_QUEUED} messages: it is stuck")]
    Stuck,
    /// The kernel says no.
    #[error("lifeline: {0}")]
    Io(#[from] io::Error),
    /// A message came, and not all of its fds.
    #[error(
        "only {got} fds of a lifeline message could be received: raise the limit of open files (RLIMIT_NOFILE)"
    )]
    FdsLost {
        /// How many came, and are closed again.
        got: usize,
    },
    /// What came is no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A message and the fds that came with it, which are CLOEXEC.
#[derive(Debug)]
pub struct Received<M> {
    /// The message.
    pub message: M,
    /// Its fds, in the sender's order.
    pub fds: Vec<OwnedFd>,
}

/// One end of a lifeline.
#[derive(Debug)]
pub struct Lifeline {
    socket: OwnedFd,
    queue: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
}

impl Lifeline {
    /// Both ends of a new one.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::from_fd(ours), theirs))
    }

    /// The end that was inherited or received.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self {
            socket,
            queue: VecDeque::new(),
        }
    }

    /// Sends `message` with `fds`, or keeps it until [`Self::flush`] if the peer is slow.
    ///
    /// # Errors
    /// [`LifelineError`]; nothing can be sent any more then. After [`LifelineError::Closed`],
    /// [`Self::receive`] still gives what the peer said last.
    pub fn send<M: Encode<()>>(
        &mut self,
        message: &M,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), LifelineError> {
        let body =
            minicbor::to_vec(message).map_err(|error| FrameError::Body(error.to_string()))?;
        let frame = frame::seal(&body, fds.len())?;
        self.flush()?;
        if self.queue.is_empty() && socket::transmit(self.as_fd(), &frame, fds)? {
            return Ok(());
        }
        if self.queue.len() >= MAX_QUEUED {
            return Err(LifelineError::Stuck);
        }
        let kept = fds
            .iter()
            .map(BorrowedFd::try_clone_to_owned)
            .collect::<io::Result<_>>()?;
        self.queue.push_back((frame, kept));
        Ok(())
    }

    /// Sends what waits, as far as the peer takes it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn flush(&mut self) -> Result<(), LifelineError> {
        while let Some((frame, fds)) = self.queue.front() {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            if !socket::transmit(self.socket.as_fd(), frame, &fds)? {
                break;
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    /// Something waits for the socket to become writable.
    pub fn wants_write(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next message, `None` when there is none now.
    ///
    /// # Errors
    /// [`LifelineError::Closed`] at the end; [`LifelineError::Frame`] when the peer is not to be trusted.
    pub fn receive<M: for<'b> Decode<'b, ()>>(
        &mut self,
    ) -> Result<Option<Received<M>>, LifelineError> {
        let mut buffer = vec![0; HEADER_LEN + MAX_BODY];
        let Some((length, fds)) = socket::take(self.as_fd(), &mut buffer)? else {
            return Ok(None);
        };
        let body = frame::open(&buffer[..length], fds.len())?;
        let message =
            cbor::decode_whole(body).map_err(|error| FrameError::Body(error.to_string()))?;
        Ok(Some(Received { message, fds }))
    }
}

impl AsRawFd for Lifeline {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
