//! How a port comes to a front end: it accepts, or connects.

use super::link::Link;
use super::pause::Pause;
use super::{Backend, Source, VhostPort};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, connect, socket_with,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use vhost_transfer::device::SocketMode;

impl VhostPort {
    /// Takes a front end, if there is one.
    pub(super) fn look_for_front_end(&mut self, backend: &mut dyn Backend) {
        let found = match (&self.listener, &self.link) {
            (Some(listener), _) => accept(listener.as_fd()),
            (None, Some(_)) => Ok(None),
            (None, None) => self.connect().map(Some),
        };
        match found {
            Ok(Some(socket)) if self.link.is_some() => self.turn_away(socket, backend),
            Ok(Some(socket)) => self.open(socket, backend),
            Ok(None) => {}
            Err(error) => self.not_found(error, backend),
        }
    }

    fn connect(&self) -> rustix::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(self.config.path.as_str())?)?;
        Ok(socket)
    }

    /// Errors that time will not heal are reported; all are tried again.
    fn not_found(&mut self, error: Errno, backend: &mut dyn Backend) {
        let not_there_yet = matches!(
            error,
            Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN | Errno::CONNABORTED
        );
        if !not_there_yet && self.pause.is_first() {
            let name = self.name();
            let trouble = match self.config.mode {
                SocketMode::Server => format!("port {name}: no front end can be accepted: {error}"),
                SocketMode::Client => {
                    format!("port {name}: no front end at {}: {error}", self.config.path)
                }
            };
            backend.trouble(self.id(), trouble + "; trying again");
        }
        self.pause = self.pause.longer();
    }

    fn open(&mut self, socket: OwnedFd, backend: &mut dyn Backend) {
        if let Err(error) = self.watch(socket.as_raw_fd(), Source::Connection, true) {
            let name = self.name();
            let trouble = format!("port {name}: a connection cannot be watched: {error}");
            backend.trouble(self.id(), trouble);
            self.pause = self.pause.longer();
            return;
        }
        self.link = Some(Link::open(self.id(), self.config.mode, socket, backend));
    }

    /// One front end at a time. The next look is after a pause, so that a front end which tries
    /// for ever costs little.
    fn turn_away(&mut self, socket: OwnedFd, backend: &mut dyn Backend) {
        drop(socket);
        let name = self.name();
        backend.trouble(
            self.id(),
            format!("port {name}: a second front end was turned away; one port serves one VM"),
        );
        self.pause = Pause::longest();
    }
}

/// A front end that waits, if there is one.
fn accept(listener: BorrowedFd<'_>) -> rustix::io::Result<Option<OwnedFd>> {
    match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}
