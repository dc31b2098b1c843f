//! Whose memory a file is, by two locks of different kinds, which know nothing of each other.
//!
//! A supervisor has the file locked by flock(2) for as long as it lives: of two with the same file the
//! second one does not start. The instances get another open file of it, which is locked as a whole
//! (fcntl(2), "Open file description locks"). A mapping keeps that lock, so it ends with the last
//! process that has the file mapped, whatever becomes of the supervisor: who has not taken those
//! processes over must not give the file to others.

use super::MemoryFileError as Error;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc::{self, flock};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

/// A file that is this supervisor's.
#[derive(Debug)]
pub(super) struct Owned {
    _lock: Flock<File>,
    given: File,
}

impl Owned {
    /// Takes it, unless somebody else has it. `pair_runs`: this supervisor has taken instances over, so
    /// that whoever has the file mapped is one of them.
    pub(super) fn take(path: &Path, opened: File, pair_runs: bool) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Io {
            path: path.to_owned(),
            error,
        };
        let lock = lock(path, opened)?;
        let given = open_again(&lock).map_err(failed)?;
        if !pair_runs && is_mapped(&given).map_err(|errno| failed(errno.into()))? {
            return Err(Error::StillMapped(path.to_owned()));
        }
        let shared = whole(libc::F_RDLCK);
        fcntl(&given, FcntlArg::F_OFD_SETLK(&shared)).map_err(|errno| failed(errno.into()))?;
        Ok(Self { _lock: lock, given })
    }

    /// What instances get.
    pub(super) fn given(&self) -> &File {
        &self.given
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.given.as_fd()
    }
}

fn lock(path: &Path, file: File) -> Result<Flock<File>, Error> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        let path = path.to_owned();
        if errno == Errno::EWOULDBLOCK {
            return Error::InUse(path);
        }
        let error = errno.into();
        Error::Io { path, error }
    })
}

/// The same file, whatever has become of its name.
fn open_again(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::options().read(true).write(true).open(path)
}

/// By a process that got it from a supervisor.
fn is_mapped(file: &File) -> nix::Result<bool> {
    let mut found = whole(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(i32::from(found.l_type) != libc::F_UNLCK)
}

fn whole(kind: i32) -> flock {
    flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_supervisors_and_then_that_of_who_takes_its_instances_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let take = |pair_runs| {
            let mut options = File::options();
            let opened = options.read(true).write(true).open(file.path()).unwrap();
            Owned::take(file.path(), opened, pair_runs)
        };
        let first = take(false).unwrap();
        assert!(matches!(take(true), Err(Error::InUse(_))));
        let instances = first.fd().try_clone_to_owned().unwrap();
        drop(first);
        assert!(matches!(take(false), Err(Error::StillMapped(_))));
        let next = take(true).expect("its instances keep the file from nobody who has them");
        drop((instances, next));
        take(false).expect("nobody has it any more");
    }
}
