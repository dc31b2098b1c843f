//! The front end's side of a vhost-user socket, low level: any request, any bytes, any descriptors.
//!
//! [`FrontEnd`] checks what it receives and nothing of what it sends, so that tests of hostile front
//! ends are written with it. [`Session`] on top of it speaks as QEMU does.

mod session;
pub mod wire;

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

pub use session::{RingSetup, Session, SessionOptions};
pub use wire::{Request, feature, protocol_feature};

use super::error::{Error, Result, system};

const REPLY_LIMIT: Duration = Duration::from_secs(5);
/// Longest reply payload that is accepted; GET_CONFIG's is the longest of the specification.
const LONGEST_REPLY: usize = 4096;
const MOST_FDS: usize = 8;

/// A reply of the back end.
#[derive(Debug)]
pub struct Reply {
    /// The request it answers.
    pub request: Request,
    /// Header flags.
    pub flags: u32,
    /// Payload.
    pub payload: Vec<u8>,
    /// Descriptors that came with it.
    pub fds: Vec<OwnedFd>,
}

impl Reply {
    /// The payload as a 64-bit number.
    pub fn number(&self) -> Result<u64> {
        let bytes = self
            .payload
            .as_slice()
            .try_into()
            .map_err(|_| self.wrong_size(8))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// The payload as a vring state: ring index and number.
    pub fn vring_state(&self) -> Result<(u32, u32)> {
        let word = self.number()?.to_ne_bytes();
        let half = |at: usize| u32::from_ne_bytes(word[at..at + 4].try_into().expect("4 bytes"));
        Ok((half(0), half(4)))
    }

    fn wrong_size(&self, expected: usize) -> Error {
        let what = format!("{} bytes instead of {expected}", self.payload.len());
        Error::BadReply {
            request: self.request,
            what,
        }
    }
}

/// One vhost-user connection, seen from the front end. Calls block, for at most a time limit.
#[derive(Debug)]
pub struct FrontEnd {
    stream: UnixStream,
    reply_ack: bool,
    limit: Duration,
}

impl FrontEnd {
    /// Connects to the socket on which a back end listens.
    pub fn connect(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path).map_err(|source| Error::Socket {
            path: path.to_owned(),
            source,
        })?;
        Self::new(stream)
    }

    /// Takes a connected stream, as a listening front end accepts it. Replies may take 5 s.
    pub fn new(stream: UnixStream) -> Result<Self> {
        let mut front_end = Self {
            stream,
            reply_ack: false,
            limit: REPLY_LIMIT,
        };
        front_end.set_reply_limit(REPLY_LIMIT)?;
        Ok(front_end)
    }

    /// Sets how long a reply may take.
    pub fn set_reply_limit(&mut self, limit: Duration) -> Result<()> {
        self.limit = limit;
        self.stream
            .set_nonblocking(false)
            .map_err(system("make the socket blocking"))?;
        self.stream
            .set_read_timeout(Some(limit))
            .map_err(system("set the reply limit"))?;
        self.stream
            .set_write_timeout(Some(limit))
            .map_err(system("set the send limit"))
    }

    /// From now on asks for an acknowledgement of every request that has no reply of its own.
    pub fn use_reply_ack(&mut self, on: bool) {
        self.reply_ack = on;
    }

    /// Sends a request and waits for its reply, if it has one: its own, or the acknowledgement.
    ///
    /// # Errors
    /// [`Error::Refused`] for a non-zero acknowledgement, and whatever is wrong with the connection.
    pub fn request(
        &mut self,
        request: Request,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<Option<Reply>> {
        let acknowledged = self.reply_ack && !request.has_reply();
        let flags = wire::VERSION | if acknowledged { wire::NEED_REPLY } else { 0 };
        self.send(request, flags, payload, fds)?;
        if !acknowledged {
            return request
                .has_reply()
                .then(|| self.receive(request))
                .transpose();
        }
        match self.receive(request)?.number()? {
            0 => Ok(None),
            code => Err(Error::Refused { request, code }),
        }
    }

    /// Sends one request and waits for nothing.
    pub fn send(
        &mut self,
        request: Request,
        flags: u32,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<()> {
        let header = wire::header(request, flags, payload.len() as u32);
        self.send_raw(&[&header, payload].concat(), fds)
            .map_err(|source| send_error(request, source))
    }

    /// Sends any bytes with any descriptors; the header too is the caller's.
    pub fn send_raw(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() {
            &rights[..0]
        } else {
            &rights[..]
        };
        let parts = [IoSlice::new(bytes)];
        let socket = self.stream.as_raw_fd();
        let sent = sendmsg::<()>(socket, &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
        match sent == bytes.len() {
            true => Ok(()),
            false => io::Write::write_all(&mut self.stream, &bytes[sent..]),
        }
    }

    /// Waits for the reply to `request`.
    pub fn receive(&mut self, request: Request) -> Result<Reply> {
        let mut header = [0; wire::HEADER_SIZE];
        let mut fds = Vec::new();
        self.receive_exact(request, &mut header, &mut fds)?;
        let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        let (code, flags, size) = (word(0), word(4), word(8) as usize);
        check_header(request, code, flags, size)?;
        let mut payload = vec![0; size];
        self.receive_exact(request, &mut payload, &mut fds)?;
        Ok(Reply {
            request,
            flags,
            payload,
            fds,
        })
    }

    /// The socket, to be watched for hang-up.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    fn receive_exact(
        &mut self,
        request: Request,
        mut bytes: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> Result<()> {
        while !bytes.is_empty() {
            let count = receive_some(&self.stream, bytes, fds)
                .map_err(|source| self.receive_error(request, source))?;
            if count == 0 {
                return Err(Error::Closed { request });
            }
            bytes = &mut bytes[count..];
        }
        Ok(())
    }

    fn receive_error(&self, request: Request, source: io::Error) -> Error {
        if source.kind() == io::ErrorKind::WouldBlock {
            return Error::NoReply {
                request,
                limit: self.limit,
            };
        }
        if source.kind() == io::ErrorKind::ConnectionReset {
            return Error::Closed { request };
        }
        Error::System {
            what: format!("receive the reply to {request}"),
            source,
        }
    }
}

fn send_error(request: Request, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::BrokenPipe {
        return Error::Closed { request };
    }
    Error::System {
        what: format!("send {request}"),
        source,
    }
}

fn check_header(request: Request, code: u32, flags: u32, size: usize) -> Result<()> {
    let bad = |what: String| Err(Error::BadReply { request, what });
    if code != request.0 {
        return bad(format!("it answers {}", Request(code)));
    }
    if flags & wire::REPLY == 0 || flags & 3 != wire::VERSION {
        return bad(format!("its flags are {flags:#x}"));
    }
    if size > LONGEST_REPLY {
        return bad(format!("it claims {size} bytes"));
    }
    Ok(())
}

fn receive_some(
    stream: &UnixStream,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = nix::cmsg_space!([RawFd; MOST_FDS]);
    let mut parts = [IoSliceMut::new(bytes)];
    let socket = stream.as_fd().as_raw_fd();
    let message = recvmsg::<()>(
        socket,
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel has just made these descriptors for this process alone.
            fds.extend(
                raw.into_iter()
                    .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
            );
        }
    }
    Ok(message.bytes)
}

#[cfg(test)]
mod tests;
