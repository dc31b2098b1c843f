//! The runtime directory, which belongs to one supervisor at a time.

use crate::Config;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";

/// Why a runtime directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// Another supervisor has it.
    #[error(
        "a supervisor{} already runs in {}; stop it first, or give this one another \
         supervisor.runtime_dir", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other supervisor, if it has said so.
        pid: Option<u32>,
    },
    /// The kernel says no.
    #[error("supervisor.runtime_dir {}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
}

/// A runtime directory that is locked until this is dropped, or the process dies.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RuntimeDir {
    /// Creates the directory if need be, and locks it.
    ///
    /// # Errors
    /// [`RuntimeDirError`].
    pub fn claim(path: &Path) -> Result<Self, RuntimeDirError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(|error| io_error(path, error))?;
        let mut lock = lock(path)?;
        write_pid(&mut lock).map_err(|error| io_error(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Whether a supervisor runs in the directory now.
    pub fn is_claimed(path: &Path) -> bool {
        path.join(LOCK).exists() && matches!(lock(path), Err(RuntimeDirError::InUse { .. }))
    }

    /// Where instances that have lost their supervisor find the next one.
    pub fn rejoin_socket(&self) -> PathBuf {
        self.path.join(Config::REJOIN_SOCKET)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(directory: &Path) -> Result<Flock<File>, RuntimeDirError> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| io_error(&path, error))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == Errno::EWOULDBLOCK {
            let pid = read_pid(&path);
            let path = directory.to_owned();
            RuntimeDirError::InUse { path, pid }
        } else {
            io_error(&path, errno.into())
        }
    })
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn read_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn io_error(path: &Path, error: io::Error) -> RuntimeDirError {
    RuntimeDirError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_supervisor_is_refused_and_told_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run");
        let first = RuntimeDir::claim(&path).unwrap();
        let error = RuntimeDir::claim(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(error.contains(&format!("(pid {pid})")), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains("stop it first"), "{error}");
        assert!(RuntimeDir::is_claimed(&path));
        drop(first);
        assert!(!RuntimeDir::is_claimed(&path));
        RuntimeDir::claim(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RuntimeDir::claim(&file.join("run"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("supervisor.runtime_dir"), "{error}");
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
}
