//! Which pages of a file exist.

use super::file::Kind;
use rustix::fs::{SeekFrom, seek};
use std::os::fd::OwnedFd;
use vhost_transfer::device::MemoryRegion;

/// Small enough that nobody waits long for the lock of the address space.
const PART: u64 = 2 << 20;
/// The most parts that are looked for, 128 GiB at best; the rest is faulted in when it is touched.
const MAX_PARTS: usize = 65_536;

/// Parts of `region` whose pages exist, as offsets in the file. Of hugepages it is only known
/// whether all of them do; the pages of a disk are not to be made dirty for nothing.
pub(super) fn existing(
    fd: &OwnedFd,
    kind: Kind,
    region: &MemoryRegion,
) -> impl Iterator<Item = (u64, u64)> {
    let end = region.mmap_offset + region.size;
    let mut at = match kind {
        Kind::Tmpfs | Kind::Hugetlbfs { complete: true, .. } => region.mmap_offset,
        Kind::Other
        | Kind::Hugetlbfs {
            complete: false, ..
        } => end,
    };
    // The kernel walks all of an extent to find its end: it is asked once for each, not for each part.
    let mut extent_end = at;
    let next = move || {
        if at == extent_end {
            (at, extent_end) = match kind {
                Kind::Tmpfs => extent(fd, at, end)?,
                Kind::Hugetlbfs { .. } | Kind::Other => (at, end),
            };
        }
        let from = at;
        at = extent_end.min(from.saturating_add(PART));
        (from < end).then_some((from, at))
    };
    std::iter::from_fn(next).take(MAX_PARTS)
}

/// The next part of the file with data, from `at` on and not beyond `end`.
fn extent(fd: &OwnedFd, at: u64, end: u64) -> Option<(u64, u64)> {
    let from = seek(fd, SeekFrom::Data(at)).ok().filter(|_| at < end)?;
    let to = seek(fd, SeekFrom::Hole(from)).ok()?;
    Some((from, to.min(end)))
}
