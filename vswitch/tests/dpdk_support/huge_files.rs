//! A hugetlbfs of the test's own, gone with it.

use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MsFlags, mount, umount};
use std::fs::File;
use std::os::fd::OwnedFd;
use tempfile::TempDir;

/// Where it is mounted.
pub(crate) struct HugeFiles(TempDir);

impl HugeFiles {
    pub(crate) fn mounted() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Some("mode=0700");
        mount(
            Some("none"),
            directory.path(),
            Some("hugetlbfs"),
            MsFlags::empty(),
            options,
        )
        .expect("this test needs root for a hugetlbfs");
        Self(directory)
    }

    /// A file of `mib`, of which so many are populated.
    pub(crate) fn file(&self, name: &str, mib: i64, populated: i64) -> OwnedFd {
        let path = self.0.path().join(name);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).expect("a file");
        file.set_len((mib << 20) as u64).expect("a length");
        if populated > 0 {
            fallocate(&file, FallocateFlags::empty(), 0, populated << 20).expect("hugepages");
        }
        file.into()
    }
}

impl Drop for HugeFiles {
    fn drop(&mut self) {
        if let Err(error) = umount(self.0.path()) {
            eprintln!("{}: {error}", self.0.path().display());
        }
    }
}
