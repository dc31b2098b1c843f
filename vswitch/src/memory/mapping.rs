//! One mapping of a part of a file.

use super::file::File;
use super::registry::Registration;
use super::{MemoryError, prefill};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vhost_transfer::device::MemoryRegion;

/// A shared, writable mapping of a region, left out of core dumps.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Multiples of the file's granule, around the region.
    base: NonNull<c_void>,
    length: usize,
    /// From `base` to the region's first byte.
    lead: usize,
    file: File,
    fd: Arc<OwnedFd>,
    region: MemoryRegion,
    /// Goes before the mapping does.
    registration: Option<Registration>,
    /// Blocks that the file had when the page tables were filled.
    filled: AtomicU64,
}

// SAFETY: the mapping is owned and stays where it is; this type reads and writes none of its bytes.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `region` of `file`, which is behind `fd` and large enough.
    pub(super) fn new(
        file: File,
        fd: &Arc<OwnedFd>,
        region: &MemoryRegion,
    ) -> Result<Self, MemoryError> {
        let granule = file.granule();
        let offset = region.mmap_offset - region.mmap_offset % granule;
        let lead = region.mmap_offset - offset;
        let length = region
            .size
            .checked_add(lead)
            .and_then(|length| length.checked_next_multiple_of(granule))
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= isize::MAX as usize)
            .ok_or(Self::failed(region, "mmap")(Errno::NOMEM))?;
        // Reserve no hugepages beyond those that the front end has reserved.
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
        let base = unsafe { mmap(std::ptr::null_mut(), length, protection, flags, fd, offset) }
            .map_err(Self::failed(region, "mmap"))?;
        let base = NonNull::new(base).expect("the kernel maps nothing at address 0 unasked");
        let mapping = Self {
            base,
            length,
            lead: lead as usize,
            file,
            fd: Arc::clone(fd),
            region: *region,
            registration: Registration::new(base.cast(), length, granule as usize),
            filled: AtomicU64::new(0),
        };
        mapping.advise(0, length, Advice::LinuxDontDump)?;
        match mapping.registration {
            Some(_) => Ok(mapping),
            None => Err(MemoryError::TooMany(region.guest_addr)),
        }
    }

    /// Its memory was taken away.
    pub(super) fn is_lost(&self) -> bool {
        self.registration
            .as_ref()
            .is_some_and(Registration::is_lost)
    }

    /// It is a mapping of this part of this file.
    pub(super) fn shows(&self, file: &File, region: &MemoryRegion) -> bool {
        let part = |region: &MemoryRegion| (region.mmap_offset, region.size);
        !self.is_lost() && self.file.is(file) && part(&self.region) == part(region)
    }

    /// The region's first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        // SAFETY: `lead` is less than `length`.
        unsafe { self.base.cast::<u8>().add(self.lead) }
    }

    /// Fills the page tables for pages that exist, as long as `go_on` says so and it works.
    pub(super) fn prefill(&self, go_on: &dyn Fn() -> bool) {
        let blocks = self.blocks();
        let parts = prefill::existing(&self.fd, self.file.kind, &self.region);
        for (from, to) in parts.take_while(|_| go_on() && !self.is_lost()) {
            let at = self.lead + (from - self.region.mmap_offset) as usize;
            let populated = self.advise(at, (to - from) as usize, Advice::LinuxPopulateWrite);
            if populated.is_err() {
                break;
            }
        }
        if go_on() {
            self.filled.store(blocks, Relaxed);
        }
    }

    /// Whether the file has as many pages as when the page tables were filled.
    pub(super) fn is_filled(&self) -> bool {
        self.filled.load(Relaxed) == self.blocks()
    }

    /// Blocks that the file has (stat(2)); 0 when the kernel does not say.
    fn blocks(&self) -> u64 {
        fstat(&self.fd).map_or(0, |stat| stat.st_blocks as u64)
    }

    fn advise(&self, at: usize, len: usize, advice: Advice) -> Result<(), MemoryError> {
        let page = super::PAGE as usize;
        let (at, end) = (
            at - at % page,
            (at + len).next_multiple_of(page).min(self.length),
        );
        // SAFETY: the range lies in the mapping, and neither advice changes a byte of it.
        unsafe { madvise(self.base.as_ptr().byte_add(at), end - at, advice) }
            .map_err(Self::failed(&self.region, "madvise"))
    }

    fn failed(region: &MemoryRegion, call: &'static str) -> impl Fn(Errno) -> MemoryError + use<> {
        let guest_addr = region.guest_addr;
        move |errno| MemoryError::Io {
            guest_addr,
            call,
            errno,
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        drop(self.registration.take());
        // SAFETY: this is the mapping made in `new`; whoever has pointers into it holds an `Arc` of
        // it. An error would mean that it is not mapped, which leaves nothing to do.
        let _ = unsafe { munmap(self.base.as_ptr(), self.length) };
    }
}
