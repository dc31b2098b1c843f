//! One frame into the socket, one frame out of it.
//!
//! rustix owns every fd that arrives, also those of a message whose other fds found no room in
//! this process: they are closed, whatever happens next.

use super::LifelineError;
use crate::frame::{FrameError, MAX_FDS};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Room for the fds of one message.
const CONTROL: usize = rustix::cmsg_space!(ScmRights(MAX_FDS));

/// Whether the socket took the frame. It did not when the peer is slow, or when so many fds are
/// under way that the kernel lets this user send no more (ETOOMANYREFS, unix(7)).
pub(super) fn transmit(
    socket: BorrowedFd<'_>,
    frame: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<bool, LifelineError> {
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        let (bytes, fds) = (frame.len(), fds.len());
        return Err(FrameError::TooLarge { bytes, fds }.into());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        match sendmsg(socket, &[IoSlice::new(frame)], &mut control, flags) {
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::TOOMANYREFS) => return Ok(false),
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(LifelineError::Closed),
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

/// The bytes of one message in `buffer`, and its fds; `None` when there is no message now.
pub(super) fn take(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<Option<(usize, Vec<OwnedFd>)>, LifelineError> {
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let expected = buffer.len();
    let Some(RecvMsg { bytes, flags, .. }) = wait_free(socket, buffer, &mut control)? else {
        return Ok(None);
    };
    let fds: Vec<_> = control.drain().filter_map(rights).flatten().collect();
    if flags.contains(ReturnFlags::CTRUNC) {
        return Err(LifelineError::FdsLost { got: fds.len() });
    }
    if flags.contains(ReturnFlags::TRUNC) {
        let got = bytes;
        return Err(FrameError::Length { expected, got }.into());
    }
    match bytes {
        0 => Err(LifelineError::Closed),
        _ => Ok(Some((bytes, fds))),
    }
}

/// ECONNRESET says that the peer left messages of ours unread. The kernel says it once, before it
/// hands out what the peer sent last, which is wanted all the more.
fn wait_free(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut RecvAncillaryBuffer<'_>,
) -> io::Result<Option<RecvMsg>> {
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    loop {
        match recvmsg(socket, &mut [IoSliceMut::new(buffer)], control, flags) {
            Ok(received) => return Ok(Some(received)),
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn rights(message: RecvAncillaryMessage<'_>) -> Option<impl Iterator<Item = OwnedFd>> {
    if let RecvAncillaryMessage::ScmRights(fds) = message {
        Some(fds)
    } else {
        None
    }
}
