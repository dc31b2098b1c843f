//! Where instances that have lost their supervisor find the next one.

use super::Lifeline;
use rustix::fs::{Mode, chmod, unlink};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with, sockopt::socket_peercred,
};
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Two instances, and one that tries again.
const BACKLOG: i32 = 4;

/// A bound SOCK_SEQPACKET socket; its path is removed when it is dropped.
#[derive(Debug)]
pub struct LifelineListener {
    socket: OwnedFd,
    path: PathBuf,
}

impl LifelineListener {
    /// Takes `path`, of which the caller knows that no other supervisor has it, for its own user only.
    ///
    /// # Errors
    /// Those of unlink(2), socket(2), bind(2), chmod(2), listen(2).
    pub fn bind(path: &Path) -> io::Result<Self> {
        match unlink(path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = new_socket()?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        let path = path.to_owned();
        let listener = Self { socket, path };
        chmod(&listener.path, Mode::RUSR | Mode::WUSR)?;
        listen(&listener.socket, BACKLOG)?;
        Ok(listener)
    }

    /// The next who has connected and its process, `None` when there is none now.
    ///
    /// # Errors
    /// Those of accept(2) and of getsockopt(2).
    pub fn accept(&self) -> io::Result<Option<(Lifeline, Pid)>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match accept_with(&self.socket, flags) {
            Ok(socket) => {
                let peer = socket_peercred(&socket)?.pid;
                Ok(Some((Lifeline::from_fd(socket), peer)))
            }
            Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for LifelineListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for LifelineListener {
    fn drop(&mut self) {
        // What is left is replaced by who comes next.
        let _ = unlink(&self.path);
    }
}

impl Lifeline {
    /// A lifeline to the supervisor that listens at `path`, `None` when none does now.
    ///
    /// # Errors
    /// Those of socket(2) and of connect(2) that time will not heal.
    pub fn connect(path: &Path) -> io::Result<Option<Self>> {
        let socket = new_socket()?;
        match connect(&socket, &SocketAddrUnix::new(path)?) {
            Ok(()) => Ok(Some(Self::from_fd(socket))),
            Err(Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FromInstance;

    #[test]
    fn whoever_lost_its_supervisor_finds_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lifeline.sock");
        assert!(Lifeline::connect(&path).unwrap().is_none());
        let listener = LifelineListener::bind(&path).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let mut instance = Lifeline::connect(&path).unwrap().unwrap();
        instance.send(&FromInstance::Rejoined, &[]).unwrap();
        let (mut supervisor, peer) = listener.accept().unwrap().unwrap();
        assert_eq!(peer, rustix::process::getpid());
        let heard = supervisor.receive::<FromInstance>().unwrap().unwrap();
        assert_eq!(heard.message, FromInstance::Rejoined);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_supervisor_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lifeline.sock");
        std::mem::forget(LifelineListener::bind(&path).unwrap());
        LifelineListener::bind(&path).unwrap();
    }
}
