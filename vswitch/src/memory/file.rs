//! The file behind a region.

use super::{MemoryError, PAGE};
use rustix::fs::{FileType, Stat, fstat, fstatfs};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use vhost_transfer::device::MemoryRegion;

/// statfs(2).
const TMPFS_MAGIC: u64 = 0x0102_1994;
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

/// Where the memory of a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// memfd and /dev/shm.
    Tmpfs,
    /// Hugepages of so many bytes, and whether all of them are there already.
    Hugetlbfs { page: u64, complete: bool },
    /// A disk, whose pages are not to be made dirty for nothing.
    Other,
}

/// The file of a region.
#[derive(Debug)]
pub(super) struct File {
    device: u64,
    inode: u64,
    size: u64,
    pub(super) kind: Kind,
}

impl File {
    /// What `fd` is.
    pub(super) fn look_at(fd: &OwnedFd, region: &MemoryRegion) -> Result<Self, MemoryError> {
        let guest_addr = region.guest_addr;
        let failed = |call| {
            move |errno: Errno| MemoryError::Io {
                guest_addr,
                call,
                errno,
            }
        };
        let stat = fstat(fd).map_err(failed("fstat"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(MemoryError::NotAFile(guest_addr));
        }
        let filesystem = fstatfs(fd).map_err(failed("fstatfs"))?;
        let kind = match filesystem.f_type as u64 {
            TMPFS_MAGIC => Kind::Tmpfs,
            HUGETLBFS_MAGIC => hugetlbfs(filesystem.f_bsize as u64, &stat),
            _ => Kind::Other,
        };
        Ok(Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size as u64,
            kind,
        })
    }

    /// It is large enough for the region.
    pub(super) fn holds(&self, region: &MemoryRegion) -> Result<(), MemoryError> {
        let (guest_addr, size) = (region.guest_addr, self.size);
        let end = region.mmap_offset.saturating_add(region.size);
        match end > size {
            true => Err(MemoryError::BeyondFile {
                guest_addr,
                end,
                size,
            }),
            false => Ok(()),
        }
    }

    /// The same file, whatever the fd.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// mmap(2) takes multiples of this.
    pub(super) fn granule(&self) -> u64 {
        match self.kind {
            Kind::Tmpfs | Kind::Other => PAGE,
            Kind::Hugetlbfs { page, .. } => page.max(PAGE),
        }
    }
}

fn hugetlbfs(page: u64, stat: &Stat) -> Kind {
    let allocated = (stat.st_blocks as u64).saturating_mul(512);
    Kind::Hugetlbfs {
        page,
        complete: allocated >= stat.st_size as u64,
    }
}
