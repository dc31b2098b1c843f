//! The one socket between the supervisor and an instance: SOCK_SEQPACKET, never blocking.

use crate::frame::{self, FrameError, HEADER_LEN, MAX_BODY, MAX_FDS};
use minicbor::{Decode, Encode};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

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
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self::from_fd(ours), theirs))
    }

    /// The end that was inherited or received; it must not block.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self {
            socket,
            queue: VecDeque::new(),
        }
    }

    /// Sends `message` with `fds`, or keeps it until [`Self::flush`] if the peer is slow.
    ///
    /// # Errors
    /// [`LifelineError`]; the lifeline is of no more use then.
    pub fn send<M: Encode<()>>(
        &mut self,
        message: &M,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), LifelineError> {
        let body =
            minicbor::to_vec(message).map_err(|error| FrameError::Body(error.to_string()))?;
        let frame = frame::seal(&body, fds.len())?;
        if self.queue.is_empty() && transmit(&self.socket, &frame, fds)? {
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
            if !transmit(&self.socket, frame, &fds)? {
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
        let Some((length, fds)) = take(&self.socket, &mut buffer)? else {
            return Ok(None);
        };
        let body = frame::open(&buffer[..length], fds.len())?;
        let message =
            minicbor::decode(body).map_err(|error| FrameError::Body(error.to_string()))?;
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

/// Whether the socket took the frame.
fn transmit(socket: &OwnedFd, frame: &[u8], fds: &[BorrowedFd<'_>]) -> Result<bool, LifelineError> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let iov = [IoSlice::new(frame)];
    match sendmsg::<()>(
        socket.as_raw_fd(),
        &iov,
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    ) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(Errno::EPIPE | Errno::ECONNRESET) => Err(LifelineError::Closed),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// The bytes of one message in `buffer`, and its fds.
fn take(
    socket: &OwnedFd,
    buffer: &mut [u8],
) -> Result<Option<(usize, Vec<OwnedFd>)>, LifelineError> {
    let mut control = cmsg_space!([RawFd; MAX_FDS]);
    let room = buffer.len();
    let mut iov = [IoSliceMut::new(buffer)];
    let received = match recvmsg::<()>(
        socket.as_raw_fd(),
        &mut iov,
        Some(&mut control),
        MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT,
    ) {
        Ok(received) => received,
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
        Err(Errno::ECONNRESET) => return Err(LifelineError::Closed),
        Err(error) => return Err(io::Error::from(error).into()),
    };
    let mut fds = Vec::new();
    for message in received.cmsgs().map_err(io::Error::from)? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            // SAFETY: the kernel has just made these fds for this process, and nobody else knows them.
            fds.extend(
                raw.into_iter()
                    .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
            );
        }
    }
    if received
        .flags
        .intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC)
    {
        return Err(FrameError::Length {
            expected: room,
            got: received.bytes,
        }
        .into());
    }
    if received.bytes == 0 {
        return Err(LifelineError::Closed);
    }
    Ok(Some((received.bytes, fds)))
}
