//! The listening socket of a port in server mode. The supervisor binds it and both instances get
//! it, so that the path never changes hands.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The front end's user needs to be in the group of the socket.
const MODE: u32 = 0o660;

/// A bound path; removed when dropped.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

/// Why a path cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
    #[error("{} is in use: another process listens there; stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    #[error("{} exists and is no socket; remove it, or choose another path", .0.display())]
    NoSocket(PathBuf),
    #[error("the socket that came with it is not bound to {}", .0.display())]
    Foreign(PathBuf),
    #[error("cannot listen at {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl Listener {
    /// Binds `path`, where a socket at which nobody listens any more is replaced.
    pub(super) fn bind(path: &Path) -> Result<Self, ListenError> {
        remove_stale(path)?;
        let failed = |error| ListenError::Io {
            path: path.to_owned(),
            error,
        };
        let socket = UnixListener::bind(path).map_err(failed)?;
        let path = path.to_owned();
        let listener = Self { socket, path };
        listener.configure().map_err(failed)?;
        Ok(listener)
    }

    /// One that a supervisor before this one has bound to `path`.
    ///
    /// # Errors
    /// [`ListenError::Foreign`] when it is not bound to `path`, which then is left alone.
    pub(super) fn inherited(socket: OwnedFd, path: &Path) -> Result<Self, ListenError> {
        let socket = UnixListener::from(socket);
        let path = path.to_owned();
        let address = socket.local_addr();
        match address.is_ok_and(|address| address.as_pathname() == Some(&path)) {
            true => Ok(Self { socket, path }),
            false => Err(ListenError::Foreign(path)),
        }
    }

    fn configure(&self) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(MODE))?;
        self.socket.set_nonblocking(true)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // What is left is replaced by who comes next.
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::Io {
        path: path.to_owned(),
        error,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NoSocket(path.to_owned())),
        Ok(_) if is_listened_at(path).map_err(failed)? => Err(ListenError::InUse(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(failed),
    }
}

/// Nobody listens only if the kernel refuses; a full backlog is somebody.
fn is_listened_at(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS | Errno::PROTOTYPE) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_had_once_and_left_clean() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm.sock");
        let listener = Listener::bind(&path).unwrap();
        let refused = Listener::bind(&path).unwrap_err().to_string();
        assert!(refused.contains("in use") && refused.contains(path.to_str().unwrap()));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_one_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        Listener::bind(&path).unwrap();
    }

    #[test]
    fn a_socket_of_another_path_is_refused_and_the_path_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm.sock");
        let _foreign = UnixListener::bind(&path).unwrap();
        let other = UnixListener::bind(directory.path().join("other.sock")).unwrap();
        let file = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        for socket in [other.into(), file] {
            let refused = Listener::inherited(socket, &path).unwrap_err().to_string();
            assert!(refused.contains("not bound to"), "{refused}");
            assert!(path.exists());
        }
        let socket = UnixListener::bind(directory.path().join("own.sock")).unwrap();
        let path = directory.path().join("own.sock");
        drop(Listener::inherited(socket.into(), &path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes");
        fs::write(&path, "mine").unwrap();
        let refused = Listener::bind(&path).unwrap_err().to_string();
        assert!(refused.contains("is no socket"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
