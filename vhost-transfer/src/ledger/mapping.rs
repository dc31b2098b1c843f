//! A shared mapping of the ledger's layout.

use super::layout::Layout;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// `T` in shared memory, of which every field is atomic or a process-shared lock.
#[derive(Debug)]
pub(super) struct Mapping<T> {
    address: NonNull<T>,
}

// SAFETY: the mapping is owned, and `Layout` is shared between processes, so all the more between threads.
unsafe impl Send for Mapping<Layout> {}
// SAFETY: as above.
unsafe impl Sync for Mapping<Layout> {}

impl Mapping<Layout> {
    /// Maps the whole of `fd`, which must have the layout's size and be sealed against shrinking.
    pub(super) fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let size = NonZeroUsize::new(size_of::<Layout>()).expect("the layout has fields");
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
        let address = unsafe { mmap(None, size, protection, flags, fd, 0)? };
        Ok(Self {
            address: address.cast(),
        })
    }
}

impl<T> Deref for Mapping<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `address` is a live, page-aligned mapping of `size_of::<T>()` bytes that cannot be
        // truncated; any bytes are a valid `Layout`, since it is made of atomics and C structures.
        unsafe { self.address.as_ref() }
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`, and no reference outlives `self`. An error
        // would mean that it is not mapped, which leaves nothing to do.
        let _ = unsafe { munmap(self.address.cast::<c_void>(), size_of::<T>()) };
    }
}
