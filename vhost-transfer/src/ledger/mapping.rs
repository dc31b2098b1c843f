//! A shared mapping of the ledger's layout.

use super::layout::Layout;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;

/// Maps the whole of `fd`, which must have the layout's size and be sealed against shrinking.
///
/// It stays mapped for the life of the process: the list of held locks that a thread leaves to the
/// kernel (set_robust_list(2)) leads through this memory, and a forgotten guard must not make it
/// lead nowhere.
pub(super) fn map(fd: BorrowedFd<'_>) -> io::Result<&'static Layout> {
    map_for(fd, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
}

/// The same, only to be read: by relaxed loads of whole words, which are sound in memory that this
/// process cannot write (`std::sync::atomic`, "Atomic accesses to read-only memory").
pub(super) fn map_to_read(fd: BorrowedFd<'_>) -> io::Result<&'static Layout> {
    map_for(fd, ProtFlags::PROT_READ)
}

fn map_for(fd: BorrowedFd<'_>, protection: ProtFlags) -> io::Result<&'static Layout> {
    let size = NonZeroUsize::new(size_of::<Layout>()).expect("the layout has fields");
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
    let address = unsafe { mmap(None, size, protection, flags, fd, 0)? };
    // SAFETY: a page-aligned mapping of `size_of::<Layout>()` bytes that cannot be truncated and is
    // never unmapped; any bytes are a valid `Layout`, since it is made of atomics and locks.
    Ok(unsafe { address.cast::<Layout>().as_ref() })
}
