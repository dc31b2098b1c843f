//! The hugepage files of `[memory]`: made, populated, and open for as long as the supervisor lives.
//!
//! An instance gets the fds with its setup and needs no right to the path. A file that is removed
//! lives on in the fds, so what an instance starts with is always there: a restart finds its
//! memory populated.

mod error;
mod file;
mod lock;
mod pages;

pub use error::MemoryFileError;
pub use file::State;
pub(crate) use pages::{free_pages, pool};

use crate::config::{Config, MemoryFile};
use lock::Owned;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use vhost_transfer::InstanceId;

/// Those of both instances.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    /// By path.
    open: BTreeMap<PathBuf, Owned>,
    of: [Vec<PathBuf>; 2],
}

impl MemoryFiles {
    /// Makes what is not there and populates what is not populated. May take 50 ms for each GiB, and
    /// far longer where the kernel has to make room. `pair_runs`: instances of a supervisor before this
    /// one are this one's now, and have the files mapped.
    ///
    /// # Errors
    /// [`MemoryFileError`]; files that were populated until then stay.
    pub fn open(config: &Config, pair_runs: bool) -> Result<Self, MemoryFileError> {
        let mut files = Self::default();
        for (instance, file) in all(config) {
            let path = file.path_of(instance);
            if !files.open.contains_key(&path) {
                let populated = file::populate(&path, file, pair_runs)?;
                files.open.insert(path.clone(), populated);
            }
            files.of[instance as usize].push(path);
        }
        Ok(files)
    }

    /// Those of `instance`, in their order.
    pub fn of(&self, instance: InstanceId) -> Vec<BorrowedFd<'_>> {
        let paths = self.of[instance as usize].iter();
        paths.map(|path| self.open[path].fd()).collect()
    }
}

/// Every file of the configuration, by instance.
fn all(config: &Config) -> impl Iterator<Item = (InstanceId, &MemoryFile)> {
    let files = config.memory.iter().flat_map(|memory| &memory.files);
    files.flat_map(|file| InstanceId::BOTH.map(|instance| (instance, file)))
}

/// What [`MemoryFiles::open`] would find for `instance`, without changing anything: by path.
///
/// # Errors
/// The first thing that would not do.
pub fn look(
    config: &Config,
    instance: InstanceId,
) -> Result<BTreeMap<PathBuf, State>, MemoryFileError> {
    let own = all(config).filter(|(of, _)| *of == instance);
    let looked = own.map(|(instance, file)| {
        let path = file.path_of(instance);
        let state = file::look(&path, file)?;
        Ok((path, state))
    });
    looked.collect()
}
