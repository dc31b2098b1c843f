//! A vhost-user socket, never blocking. A message stays in the socket until [`consume`]: should this
//! process die before, the next one finds it there.

use super::{HEADER_LEN, Header, MAX_PAYLOAD};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send,
};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The most fds that the kernel attaches to one write (Linux `SCM_MAX_FD`).
const MAX_FDS: usize = 253;

/// Why a connection cannot be used any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The front end has left.
    #[error("the front end closed the connection")]
    Closed,
    /// Not vhost-user, or another version of it.
    #[error(
        "message with flags {0:#x} is no request of protocol version 1: not a vhost-user front end"
    )]
    NotARequest(u32),
    /// Nothing of that size exists.
    #[error("request {code} announces {size} bytes, over the limit of {MAX_PAYLOAD}")]
    TooLong {
        /// Which request.
        code: u32,
        /// Bytes of its payload.
        size: u32,
    },
    /// Its fds are with a part of it, so that it cannot be seen as a whole.
    #[error("request {0} with fds was not sent in one piece; front ends must use one sendmsg(2)")]
    Split(u32),
    /// The process has no room for the fds.
    #[error(
        "the fds of a message could not be taken: raise the limit of open files (RLIMIT_NOFILE)"
    )]
    FdsLost,
    /// Its buffer is full of replies.
    #[error("the front end does not read its replies")]
    NotReading,
    /// The kernel says no.
    #[error("vhost-user socket: {0}")]
    Io(#[from] Errno),
}

/// A whole message that is still in the socket, and duplicates of its fds.
#[derive(Debug)]
pub struct Incoming {
    /// Its header.
    pub header: Header,
    /// All of it, header and payload.
    pub bytes: Vec<u8>,
    /// Its fds, in the sender's order.
    pub fds: Vec<OwnedFd>,
}

impl Incoming {
    /// What follows the header.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..]
    }
}

/// The next message, `None` when it has not come, or not all of it.
///
/// A look goes on through all that is queued, to the end of the first write that has fds (Linux
/// `unix_stream_read_generic`; even when the buffer is full before). So the fds are those of this
/// message only if nothing behind it was seen.
///
/// # Errors
/// [`ConnectionError`]; the connection is of no more use then.
pub fn peek(socket: BorrowedFd<'_>) -> Result<Option<Incoming>, ConnectionError> {
    let mut buffer = [0; HEADER_LEN + MAX_PAYLOAD + 1];
    let (got, mut fds) = receive(socket, &mut buffer, RecvFlags::PEEK)?;
    let seen = &buffer[..got];
    let Some(header) = seen.first_chunk().map(Header::from_bytes) else {
        return incomplete(socket, seen, &fds);
    };
    check(&header)?;
    let Some(message) = seen.get(..HEADER_LEN + header.size as usize) else {
        return incomplete(socket, seen, &fds);
    };
    if seen.len() > message.len() {
        fds.clear();
    }
    Ok(Some(Incoming {
        header,
        bytes: message.to_vec(),
        fds,
    }))
}

/// Takes `len` bytes that were looked at out of the socket, and closes the fds that come with them.
///
/// # Errors
/// [`ConnectionError`].
pub fn consume(socket: BorrowedFd<'_>, len: usize) -> Result<(), ConnectionError> {
    let mut bytes = vec![0; len];
    let mut rest = &mut bytes[..];
    while !rest.is_empty() {
        let (got, _fds) = receive(socket, rest, RecvFlags::empty())?;
        if got == 0 {
            return Err(ConnectionError::Closed);
        }
        rest = &mut rest[got..];
    }
    Ok(())
}

/// Sends a reply. Replies are so small that a front end which leaves no room for one does not read.
///
/// # Errors
/// [`ConnectionError`].
pub fn reply(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), ConnectionError> {
    match send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(sent) if sent == bytes.len() => Ok(()),
        Ok(_) | Err(Errno::AGAIN) => Err(ConnectionError::NotReading),
        Err(Errno::PIPE | Errno::CONNRESET) => Err(ConnectionError::Closed),
        Err(error) => Err(error.into()),
    }
}

fn check(header: &Header) -> Result<(), ConnectionError> {
    let &Header { code, flags, size } = header;
    if !header.is_request() {
        return Err(ConnectionError::NotARequest(flags));
    }
    match size as usize > MAX_PAYLOAD {
        true => Err(ConnectionError::TooLong { code, size }),
        false => Ok(()),
    }
}

/// Part of a message, or nothing: the rest may follow, unless the front end has left, or a look can
/// never go beyond the fds that came with this part.
fn incomplete(
    socket: BorrowedFd<'_>,
    part: &[u8],
    fds: &[OwnedFd],
) -> Result<Option<Incoming>, ConnectionError> {
    if !fds.is_empty() {
        let code = part
            .first_chunk()
            .map_or(0, |code| u32::from_ne_bytes(*code));
        return Err(ConnectionError::Split(code));
    }
    let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    poll(&mut polled, Some(&Timespec::default()))?;
    match polled[0]
        .revents()
        .intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    {
        true => Err(ConnectionError::Closed),
        false => Ok(None),
    }
}

/// How many bytes came, 0 when there are none now, and their fds.
fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    how: RecvFlags,
) -> Result<(usize, Vec<OwnedFd>), ConnectionError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = how | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let mut room = [IoSliceMut::new(bytes)];
    let received = match retry_on_intr(|| recvmsg(socket, &mut room, &mut control, flags)) {
        Ok(received) if received.bytes == 0 => return Err(ConnectionError::Closed),
        Ok(received) => received,
        Err(Errno::AGAIN) => return Ok((0, Vec::new())),
        Err(Errno::CONNRESET) => return Err(ConnectionError::Closed),
        Err(error) => return Err(error.into()),
    };
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(ConnectionError::FdsLost);
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((received.bytes, fds))
}
