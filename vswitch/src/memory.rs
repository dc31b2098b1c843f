//! The guest's memory, as its front end shares it.

mod error;
mod file;
mod mapping;
mod prefill;
mod prefiller;
mod registry;

pub use error::MemoryError;
pub use prefiller::Prefiller;
pub(crate) use registry::{lost_at, take_news};

use file::File;
use mapping::Mapping;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use vhost_transfer::device::MemoryRegion;

/// Regions begin at multiples of this many bytes, in every address space.
pub const PAGE: u64 = 4096;

/// All memory regions of one device, mapped. Pointers into it stay good as long as it lives.
#[derive(Debug, Default)]
pub struct GuestMemory {
    /// The largest first: most addresses are there.
    regions: Vec<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    region: MemoryRegion,
    mapping: Arc<Mapping>,
}

impl GuestMemory {
    /// Maps the regions, `fds` being one for each of them, in the same order (a region without is left out). A region that
    /// `before` has too is not mapped again. Page tables are left empty. What is touched beyond the
    /// end of a file that was cut off is lost, see [`Self::is_lost`].
    ///
    /// # Errors
    /// [`MemoryError`], when a file cannot be what the region says.
    pub fn map(
        regions: &[MemoryRegion],
        fds: &[Arc<OwnedFd>],
        before: &Self,
    ) -> Result<Self, MemoryError> {
        Self::map_files(regions, fds, before, File::holds)
    }

    /// As [`Self::map`], of memory that another instance has mapped before: that its file was cut
    /// off since is no error, and is found when it is touched.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn adopt(
        regions: &[MemoryRegion],
        fds: &[Arc<OwnedFd>],
        before: &Self,
    ) -> Result<Self, MemoryError> {
        Self::map_files(regions, fds, before, |_, _| Ok(()))
    }

    fn map_files(
        regions: &[MemoryRegion],
        fds: &[Arc<OwnedFd>],
        before: &Self,
        check: fn(&File, &MemoryRegion) -> Result<(), MemoryError>,
    ) -> Result<Self, MemoryError> {
        let mut regions = regions
            .iter()
            .zip(fds)
            .map(|(region, fd)| {
                let file = File::look_at(fd, region)?;
                check(&file, region)?;
                let mapping = before.mapping_of(file, region, fd)?;
                Ok(Mapped {
                    region: *region,
                    mapping,
                })
            })
            .collect::<Result<Vec<_>, MemoryError>>()?;
        regions.sort_by_key(|mapped| std::cmp::Reverse(mapped.region.size));
        Ok(Self { regions })
    }

    /// The same mappings at the same addresses.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let same = |(a, b): (&Mapped, &Mapped)| {
            a.region == b.region && Arc::ptr_eq(&a.mapping, &b.mapping)
        };
        self.regions.len() == other.regions.len()
            && self.regions.iter().zip(&other.regions).all(same)
    }

    /// The longest part, at least one byte, of `len` bytes from guest address `addr` on that lies
    /// in one region, and its length; `None` when not even the first byte is shared.
    pub fn guest_range(&self, addr: u64, len: u32) -> Option<(NonNull<u8>, u32)> {
        self.regions.iter().find_map(|mapped| {
            let offset = addr.checked_sub(mapped.region.guest_addr)?;
            let rest = mapped.region.size.checked_sub(offset)?;
            let len = len.min(u32::try_from(rest).unwrap_or(u32::MAX));
            (len > 0).then(|| (mapped.at(offset), len))
        })
    }

    /// `len` bytes at `addr` of the front end's address space, `None` unless all of them lie in one
    /// region.
    pub fn user_range(&self, addr: u64, len: usize) -> Option<NonNull<u8>> {
        self.regions.iter().find_map(|mapped| {
            let offset = addr.checked_sub(mapped.region.user_addr)?;
            let rest = mapped.region.size.checked_sub(offset)?;
            (rest > 0 && len as u64 <= rest).then(|| mapped.at(offset))
        })
    }

    /// Fills the page tables for the pages that exist, as long as `go_on` says so. No page is
    /// allocated. It is a hint: where it cannot be done, pages are faulted in when they are touched.
    pub fn prefill(&self, go_on: &dyn Fn() -> bool) {
        for mapped in &self.regions {
            mapped.mapping.prefill(go_on);
        }
    }

    /// Whether page tables were filled and no page has come since: of pages that went and came only
    /// the difference is seen, for which a hint is good enough.
    pub fn is_filled(&self) -> bool {
        self.regions.iter().all(|mapped| mapped.mapping.is_filled())
    }

    /// Some of it was taken away, found when it was touched; it reads as zeroes from then on.
    pub fn is_lost(&self) -> bool {
        self.regions.iter().any(|mapped| mapped.mapping.is_lost())
    }

    /// Bytes in all regions.
    pub fn size(&self) -> u64 {
        self.regions.iter().map(|mapped| mapped.region.size).sum()
    }

    fn mapping_of(
        &self,
        file: File,
        region: &MemoryRegion,
        fd: &Arc<OwnedFd>,
    ) -> Result<Arc<Mapping>, MemoryError> {
        let same = |mapped: &&Mapped| mapped.mapping.shows(&file, region);
        if let Some(mapped) = self.regions.iter().find(same) {
            return Ok(Arc::clone(&mapped.mapping));
        }
        Ok(Arc::new(Mapping::new(file, fd, region)?))
    }
}

impl Mapped {
    /// The byte at `offset`, which is less than the region's size.
    fn at(&self, offset: u64) -> NonNull<u8> {
        // SAFETY: the mapping covers the region's whole size, and the caller's offset is below it.
        unsafe { self.mapping.start().add(offset as usize) }
    }
}
