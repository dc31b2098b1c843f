//! The daemon's end of the control socket, for its mio loop.

use super::connection::{Connection, Progress};
use super::protocol::{Request, Response};
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Connections at a time; one more is closed at once.
const MAX_CONNECTIONS: usize = 32;

/// A connection that asked for something. A reply to one that has gone meanwhile goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId {
    slot: usize,
    serial: u64,
}

/// Listens, reads requests and writes responses, without ever blocking.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    registry: Registry,
    first_token: usize,
    slots: Vec<Option<(u64, Connection)>>,
    next_serial: u64,
}

impl ControlServer {
    /// How many tokens it takes, from the first one on.
    pub const TOKENS: usize = 1 + MAX_CONNECTIONS;

    /// Listens at `path`, where a socket that an earlier daemon left is replaced: hold the lock of
    /// the [runtime directory](super::RuntimeDir) first. Events of the tokens from `first_token` on
    /// are for [`Self::ready`].
    ///
    /// # Errors
    /// Those of bind(2), and [`ErrorKind::AlreadyExists`] when `path` is no socket.
    pub fn bind(path: &Path, registry: &Registry, first_token: Token) -> io::Result<Self> {
        remove_stale_socket(path)?;
        let mut listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        registry.register(&mut listener, first_token, Interest::READABLE)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            registry: registry.try_clone()?,
            first_token: first_token.0,
            slots: (0..MAX_CONNECTIONS).map(|_| None).collect(),
            next_serial: 0,
        })
    }

    /// Whether an event of `token` is for [`Self::ready`].
    pub fn owns(&self, token: Token) -> bool {
        (self.first_token..self.first_token + Self::TOKENS).contains(&token.0)
    }

    /// Does all that an event of `token` allows, and gives the requests that are complete with it.
    /// Each of them wants one [`Self::reply`].
    pub fn ready(&mut self, token: Token) -> Vec<(ConnId, Request)> {
        match token.0.checked_sub(self.first_token) {
            Some(0) => self.accept_all(),
            Some(number) => self.advance(number - 1).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Answers a request.
    pub fn reply(&mut self, to: ConnId, response: &Response) {
        let slot = self.slots.get_mut(to.slot).and_then(Option::as_mut);
        if let Some((_, connection)) = slot.filter(|(serial, _)| *serial == to.serial)
            && matches!(connection.answer(response), Progress::Over)
        {
            self.close(to.slot);
        }
    }

    fn accept_all(&mut self) -> Vec<(ConnId, Request)> {
        let mut requests = Vec::new();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => requests.extend(self.welcome(stream)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return requests,
            }
        }
    }

    fn welcome(&mut self, mut stream: UnixStream) -> Option<(ConnId, Request)> {
        let slot = self.slots.iter().position(Option::is_none)?;
        let token = Token(self.first_token + 1 + slot);
        let both_ways = Interest::READABLE | Interest::WRITABLE;
        if !may_command(&stream)
            || self
                .registry
                .register(&mut stream, token, both_ways)
                .is_err()
        {
            return None;
        }
        self.next_serial += 1;
        self.slots[slot] = Some((self.next_serial, Connection::new(stream)));
        self.advance(slot)
    }

    fn advance(&mut self, slot: usize) -> Option<(ConnId, Request)> {
        let (serial, connection) = self.slots.get_mut(slot)?.as_mut()?;
        let id = ConnId {
            slot,
            serial: *serial,
        };
        match connection.advance() {
            Progress::Pending => None,
            Progress::Asked(request) => Some((id, request)),
            Progress::Over => {
                self.close(slot);
                None
            }
        }
    }

    fn close(&mut self, slot: usize) {
        if let Some((_, mut connection)) = self.slots[slot].take() {
            // The socket closes with the connection, and leaves the poll with it in any case.
            let _ = self.registry.deregister(&mut connection.stream);
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Who comes next replaces what is left.
        let _ = fs::remove_file(&self.path);
    }
}

/// Root, and the user that the daemon runs as.
fn may_command(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| {
        let uid = Uid::from_raw(peer.uid());
        uid.is_root() || uid == Uid::effective()
    })
}

fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            ErrorKind::AlreadyExists,
            format!("{} exists and is no socket: remove it", path.display()),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
