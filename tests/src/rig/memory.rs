//! Where DPDK's memory of a system is.

use super::programs::hugepages_for;
use nix::mount::{MsFlags, mount, umount};
use std::io;
use std::path::{Path, PathBuf};

/// MiB of one instance, where nothing else is said.
const USUAL: u64 = 128;

/// Where DPDK's memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages if there are any, else ordinary memory.
    AsFound,
    /// Hugepages, taken anew by each instance; MiB of one instance.
    Hugepages(u64),
    /// Hugepage files; MiB of one instance.
    Files(u64),
}

impl Memory {
    pub(super) fn vswitch_keys(self) -> String {
        match self {
            Self::AsFound => {
                let hugepages = hugepages_for(2 * USUAL);
                format!("memory = \"{USUAL}MiB\"\nhugepages = {hugepages}\n")
            }
            Self::Hugepages(mib) => format!("memory = \"{mib}MiB\"\n"),
            Self::Files(_) => String::new(),
        }
    }

    /// One file for each instance.
    pub(super) fn section(self, dir: &Path) -> String {
        match self {
            Self::AsFound | Self::Hugepages(_) => String::new(),
            Self::Files(mib) => {
                let path = mount_point(dir).join("memory-{instance}");
                format!("\n[memory]\nfiles = [{{ path = {path:?}, size = \"{mib}MiB\" }}]\n")
            }
        }
    }

    pub(super) fn prepare(self, dir: &Path) -> io::Result<Option<HugeFiles>> {
        match self {
            Self::AsFound | Self::Hugepages(_) => Ok(None),
            Self::Files(_) => HugeFiles::mount(&mount_point(dir)).map(Some),
        }
    }
}

pub(super) fn file(dir: &Path, instance: &str) -> PathBuf {
    mount_point(dir).join(format!("memory-{instance}"))
}

fn mount_point(dir: &Path) -> PathBuf {
    dir.join("hugepages")
}

/// A hugetlbfs, gone when dropped.
#[derive(Debug)]
pub(super) struct HugeFiles(PathBuf);

impl HugeFiles {
    fn mount(at: &Path) -> io::Result<Self> {
        std::fs::create_dir(at)?;
        let none = Some("none");
        mount(
            none,
            at,
            Some("hugetlbfs"),
            MsFlags::empty(),
            Some("mode=0700"),
        )?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for HugeFiles {
    fn drop(&mut self) {
        if let Err(error) = umount(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}
