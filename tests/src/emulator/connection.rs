//! One device's connection through its life: waiting, connected, and waiting again.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, recv};

use super::clock::Nanos;
use super::error::{Error, Result};
use super::front_end::{FrontEnd, Session, protocol_feature};
use super::guest::{Device, Socket};
use super::virtio_net::{RX, TX};

/// Pause after a handshake that failed.
const PAUSE: Nanos = 10_000_000;
const REPLY_LIMIT: Duration = Duration::from_secs(2);

/// MTU of the device, in bytes.
const LONGEST_PACKET: u16 = 1500;
/// Locally administered, and the address of no flow.
const ANNOUNCED: [u8; 6] = [0x02, 0, 0, 0, 0xa0, 0x01];

#[derive(Debug)]
enum State {
    Waiting { not_before: Nanos },
    Connected(Box<Session>),
    Finished,
}

/// A device and what its connection is doing.
#[derive(Debug)]
pub(crate) struct Connection {
    device: Arc<Device>,
    state: State,
}

impl Connection {
    pub(crate) fn new(device: Arc<Device>) -> Self {
        Self {
            device,
            state: State::Waiting { not_before: 0 },
        }
    }

    pub(crate) fn is_of(&self, device: &Arc<Device>) -> bool {
        Arc::ptr_eq(&self.device, device)
    }

    /// What to wait for, if the kernel can tell.
    pub(crate) fn poll_fd(&self) -> Option<PollFd<'_>> {
        match &self.state {
            State::Connected(session) => {
                Some(PollFd::new(session.stream().as_fd(), PollFlags::POLLIN))
            }
            State::Waiting { .. } => {
                let listener = self.device.listener.as_ref()?;
                Some(PollFd::new(listener.as_fd(), PollFlags::POLLIN))
            }
            State::Finished => None,
        }
    }

    /// Whether nothing tells when to go on, so that trying is all there is.
    pub(crate) fn must_try(&self) -> bool {
        match self.state {
            State::Waiting { not_before } => not_before > 0 || self.device.listener.is_none(),
            State::Connected(_) | State::Finished => false,
        }
    }

    /// Does what can be done now.
    pub(crate) fn advance(&mut self, now: Nanos) {
        match &self.state {
            State::Waiting { not_before } if *not_before <= now => self.try_connect(now),
            State::Connected(session) if has_hung_up(session.stream(), &self.device) => {
                self.device.link.go_down();
                self.state = match self.device.reconnect {
                    true => State::Waiting { not_before: 0 },
                    false => State::Finished,
                };
            }
            State::Waiting { .. } | State::Connected(_) | State::Finished => {}
        }
    }

    fn try_connect(&mut self, now: Nanos) {
        match open_stream(&self.device) {
            Ok(Some(stream)) => self.shake_hands(stream, now),
            Ok(None) => {}
            Err(error) => {
                self.device.link.set_fault(error);
                self.state = State::Waiting {
                    not_before: now + PAUSE,
                };
            }
        }
    }

    fn shake_hands(&mut self, stream: UnixStream, now: Nanos) {
        self.state = match handshake(&self.device, stream) {
            Ok(session) => {
                self.device.link.come_up(session.features());
                State::Connected(Box::new(session))
            }
            Err(error) => {
                self.device.link.set_fault(error);
                State::Waiting {
                    not_before: now + PAUSE,
                }
            }
        };
    }

    /// Stops the rings as QEMU does at the end of a device. Returns their positions.
    pub(crate) fn stop(self, limit: Duration) -> Result<[u32; 2]> {
        let State::Connected(mut session) = self.state else {
            return Err(Error::Plan("the device is not connected".into()));
        };
        session.front_end().set_reply_limit(limit)?;
        if self.device.reset {
            session.reset()?;
        }
        session.enable_ring(RX as u32, false)?;
        session.enable_ring(TX as u32, false)?;
        let positions = [session.stop_ring(RX as u32)?, session.stop_ring(TX as u32)?];
        session.take_memory_back(&self.device.memory)?;
        Ok(positions)
    }
}

/// A connected stream, or none if the other side is not there yet.
fn open_stream(device: &Device) -> Result<Option<UnixStream>> {
    let (path, opened) = match (&device.socket, &device.listener) {
        (Socket::Client(path), _) => (path, UnixStream::connect(path)),
        (Socket::Server(path), Some(listener)) => (path, listener.accept().map(|(one, _)| one)),
        (Socket::Server(_), None) => return Ok(None),
    };
    use io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
    match opened {
        Ok(stream) => Ok(Some(stream)),
        Err(source) if matches!(source.kind(), ConnectionRefused | NotFound | WouldBlock) => {
            device
                .link
                .set_fault(format!("{}: {source}", path.display()));
            Ok(None)
        }
        Err(source) => Err(Error::Socket {
            path: path.clone(),
            source,
        }),
    }
}

/// Tells the back end everything. The rings go on at their used index, which is 0 the first time.
fn handshake(device: &Device, stream: UnixStream) -> Result<Session> {
    let mut front_end = FrontEnd::new(stream)?;
    front_end.set_reply_limit(REPLY_LIMIT)?;
    let mut session = Session::open(front_end, device.options)?;
    check_features(device, &session)?;
    if session.has(protocol_feature::NET_MTU) {
        session.set_mtu(LONGEST_PACKET)?;
    }
    session.share_memory(&device.memory)?;
    for (index, ring) in (0..).zip(&device.rings) {
        let base = ring.layout.used_index(&device.memory);
        session.start_ring(index, ring, &device.memory, base)?;
    }
    session.announce_running()?;
    (0..device.rings.len() as u32).try_for_each(|index| session.enable_ring(index, true))?;
    migrate(device, &mut session)?;
    Ok(session)
}

/// What is sent before and after a migration, to a device that wants to know.
fn migrate(device: &Device, session: &mut Session) -> Result<()> {
    if session.has(protocol_feature::LOG_SHMFD) {
        session.set_log(&device.memory)?;
    }
    match session.has(protocol_feature::RARP) {
        true => session.send_rarp(ANNOUNCED),
        false => Ok(()),
    }
}

/// A driver cannot learn of other features while it runs.
fn check_features(device: &Device, session: &Session) -> Result<()> {
    let (before, offered) = (device.link.features(), session.features());
    match device.link.connects() {
        1.. if before != offered => Err(Error::MissingFeatures {
            offered,
            missing: before & !offered,
        }),
        _ => Ok(()),
    }
}

/// Whether the other side is gone. What it says without being asked is read, noted and thrown away.
fn has_hung_up(stream: &UnixStream, device: &Device) -> bool {
    let mut bytes = [0; 256];
    match recv(stream.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => true,
        Ok(count) => {
            device
                .link
                .set_fault(format!("{count} bytes that answer no request"));
            false
        }
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => false,
        Err(_) => true,
    }
}
