//! Which pages of a file exist.

use super::MemoryError;
use super::file::Kind;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use vhost_transfer::device::MemoryRegion;

/// The most extents that are looked for: a file of more is not worth the time, and its pages are
/// faulted in when they are touched.
const MAX_EXTENTS: usize = 65_536;

/// Calls `populate` with the ends, as offsets in the file, of every part of `region` whose pages
/// exist. Of hugepages it is only known whether all of them do.
pub(super) fn each_extent(
    fd: &OwnedFd,
    kind: Kind,
    region: &MemoryRegion,
    mut populate: impl FnMut(u64, u64) -> Result<(), MemoryError>,
) -> Result<(), MemoryError> {
    let (start, end) = (region.mmap_offset, region.mmap_offset + region.size);
    match kind {
        Kind::Other
        | Kind::Hugetlbfs {
            complete: false, ..
        } => Ok(()),
        Kind::Hugetlbfs { complete: true, .. } => populate(start, end),
        Kind::Tmpfs => {
            let mut at = start;
            for _ in 0..MAX_EXTENTS {
                let Some((from, to)) = next_extent(fd, at, end, region)? else {
                    break;
                };
                populate(from, to)?;
                at = to;
            }
            Ok(())
        }
    }
}

/// The next part of the file with data, from `at` on and before `end`.
fn next_extent(
    fd: &OwnedFd,
    at: u64,
    end: u64,
    region: &MemoryRegion,
) -> Result<Option<(u64, u64)>, MemoryError> {
    let guest_addr = region.guest_addr;
    let failed = |errno| MemoryError::Io {
        guest_addr,
        call: "lseek",
        errno,
    };
    if at >= end {
        return Ok(None);
    }
    let from = match seek(fd, SeekFrom::Data(at)) {
        Ok(from) if from < end => from,
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    match seek(fd, SeekFrom::Hole(from)) {
        Ok(to) => Ok(Some((from, to.min(end)))),
        Err(errno) => Err(failed(errno)),
    }
}
