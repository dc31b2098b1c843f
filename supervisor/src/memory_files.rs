//! The hugepage files of `[memory]`: made, populated, and open for as long as the supervisor lives.
//!
//! An instance gets the fds with its setup and needs no right to the path. A file that is removed
//! lives on in the fds, so what an instance starts with is always there: a restart finds its
//! memory populated.

mod error;
mod file;

pub use error::MemoryFileError;
pub use file::State;
pub(crate) use file::free_pages;

use crate::config::{Config, MemoryFile};
use nix::fcntl::Flock;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use vhost_transfer::InstanceId;

/// Those of both instances.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    /// By path, each locked: it is one supervisor's.
    open: BTreeMap<PathBuf, Flock<File>>,
    of: [Vec<PathBuf>; 2],
}

impl MemoryFiles {
    /// Makes what is not there and populates what is not populated. May take 50 ms for each GiB, and
    /// far longer where the kernel has to make room.
    ///
    /// # Errors
    /// [`MemoryFileError`]; what was populated until then stays.
    pub fn open(config: &Config) -> Result<Self, MemoryFileError> {
        let mut files = Self::default();
        for (instance, file) in all(config) {
            let path = file.path_of(instance);
            if !files.open.contains_key(&path) {
                let populated = file::populate(&path, file)?;
                files.check_alone(&path, &populated)?;
                files.open.insert(path.clone(), populated);
            }
            files.of[instance as usize].push(path);
        }
        Ok(files)
    }

    /// Those of `instance`, in their order.
    pub fn of(&self, instance: InstanceId) -> Vec<BorrowedFd<'_>> {
        let paths = self.of[instance as usize].iter();
        paths.map(|path| self.open[path].as_fd()).collect()
    }

    /// Two names of one file would be one memory of two instances.
    fn check_alone(&self, path: &std::path::Path, file: &File) -> Result<(), MemoryFileError> {
        let inode = file::inode(path, file)?;
        for (other, open) in &self.open {
            if file::inode(other, open)? == inode {
                return Err(MemoryFileError::SameFile {
                    path: path.to_owned(),
                    other: other.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Every file of the configuration, by instance.
fn all(config: &Config) -> impl Iterator<Item = (InstanceId, &MemoryFile)> {
    let files = config.memory.iter().flat_map(|memory| &memory.files);
    files.flat_map(|file| InstanceId::BOTH.map(|instance| (instance, file)))
}

/// What [`MemoryFiles::open`] would find, without changing anything: by path.
///
/// # Errors
/// The first thing that would not do.
pub fn look(config: &Config) -> Result<BTreeMap<PathBuf, State>, MemoryFileError> {
    let looked = all(config).map(|(instance, file)| {
        let path = file.path_of(instance);
        let state = file::look(&path, file)?;
        Ok((path, state))
    });
    looked.collect()
}
