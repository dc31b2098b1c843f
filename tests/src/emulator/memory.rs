//! Guest memory: one memfd, seen by the guest as regions at addresses of its own.
//!
//! All scalar accesses are atomics, because the other side is another process that may write at any
//! time; bulk copies go through raw pointers and never become references.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

use nix::libc::c_void;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use nix::unistd::ftruncate;

use super::error::{Result, system};

const HUGE_PAGE: usize = 2 << 20;
/// Distance of the regions in guest-physical space: there is always a hole between two.
const REGION_STRIDE: u64 = 1 << 32;

/// Which pages guest memory is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// 4 KiB pages.
    Small,
    /// 2 MiB pages of the host's hugepage pool.
    Huge,
}

/// One region as SET_MEM_TABLE describes it (vhost-user.rst, "Memory regions description").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Guest-physical address.
    pub guest_address: u64,
    /// Bytes.
    pub size: u64,
    /// Address in this process.
    pub user_address: u64,
    /// Offset in the memfd.
    pub offset: u64,
}

/// The memory of one guest. Addresses in its methods are guest-physical.
#[derive(Debug)]
pub struct GuestMemory {
    fd: OwnedFd,
    base: NonNull<u8>,
    regions: Vec<Region>,
    length: usize,
}

// SAFETY: the mapping lives as long as the value, and every access goes through atomics or raw copies.
unsafe impl Send for GuestMemory {}
// SAFETY: as for Send; no method hands out a plain reference into the mapping.
unsafe impl Sync for GuestMemory {}

impl GuestMemory {
    /// Memory of `regions` regions with at least `region_size` bytes each.
    pub fn new(regions: usize, region_size: usize, pages: Pages) -> Result<Self> {
        let region_size = region_size.next_multiple_of(HUGE_PAGE);
        let length = region_size * regions;
        let fd = create_file(length, pages)?;
        let base = map(&fd, length)?;
        let regions = (0..regions)
            .map(|index| region(index, region_size, base))
            .collect();
        Ok(Self {
            fd,
            base,
            regions,
            length,
        })
    }

    /// Touches every page, so that no fault disturbs a measurement.
    pub fn populate(&self) -> Result<()> {
        // SAFETY: the range is exactly this value's own mapping; populating changes no byte.
        let done = unsafe {
            madvise(
                self.base.cast::<c_void>(),
                self.length,
                MmapAdvise::MADV_POPULATE_WRITE,
            )
        };
        done.map_err(system(format!(
            "populate {} bytes of guest memory",
            self.length
        )))
    }

    /// Cuts off the file, so that the device's next access gets SIGBUS. This process goes on with
    /// zeroes instead.
    pub fn take_away(&self) -> Result<()> {
        let length = NonZeroUsize::new(self.length).expect("a guest has memory");
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED;
        // SAFETY: the range is exactly this value's own mapping, of which nobody keeps references and
        // whose content nobody relies on.
        let zeroes = unsafe { mmap_anonymous(self.base.addr().into(), length, protection, flags) };
        zeroes.map_err(system("replace guest memory"))?;
        ftruncate(&self.fd, 0).map_err(system("cut off guest memory"))
    }

    /// The regions, in guest-physical order.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The file behind every region.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where this process sees a guest-physical address, as SET_VRING_ADDR wants it.
    pub fn user_address(&self, address: u64) -> u64 {
        self.pointer(address, 1).as_ptr() as u64
    }

    /// A 16-bit word, for ring indices.
    pub fn u16_at(&self, address: u64) -> &AtomicU16 {
        // SAFETY: `pointer` checked bounds, allocations keep words aligned, and atomics may be shared.
        unsafe { AtomicU16::from_ptr(self.pointer(address, 2).cast().as_ptr()) }
    }

    /// A 32-bit word.
    pub fn u32_at(&self, address: u64) -> &AtomicU32 {
        // SAFETY: `pointer` checked bounds, allocations keep words aligned, and atomics may be shared.
        unsafe { AtomicU32::from_ptr(self.pointer(address, 4).cast().as_ptr()) }
    }

    /// A 64-bit word.
    pub fn u64_at(&self, address: u64) -> &AtomicU64 {
        // SAFETY: `pointer` checked bounds, allocations keep words aligned, and atomics may be shared.
        unsafe { AtomicU64::from_ptr(self.pointer(address, 8).cast().as_ptr()) }
    }

    /// Copies into guest memory.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        let target = self.pointer(address, bytes.len()).as_ptr();
        // SAFETY: `pointer` checked that the bytes fit; the source is private memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) }
    }

    /// Copies out of guest memory.
    pub fn read(&self, address: u64, bytes: &mut [u8]) {
        let source = self.pointer(address, bytes.len()).as_ptr();
        // SAFETY: `pointer` checked that the bytes fit; the target is private memory.
        unsafe { std::ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len()) }
    }

    /// The bytes at an address.
    ///
    /// # Panics
    /// When they are not all inside one region or, up to 8 bytes, not aligned: only the emulator's own
    /// addresses come here, never the device's.
    fn pointer(&self, address: u64, length: usize) -> NonNull<u8> {
        let region = &self.regions[(address / REGION_STRIDE) as usize];
        let offset = address % REGION_STRIDE;
        assert!(
            offset + length as u64 <= region.size,
            "guest address {address:#x} is outside"
        );
        // SAFETY: region.offset + offset + length is at most the length of the mapping.
        unsafe { self.base.add((region.offset + offset) as usize) }
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` and nothing borrows from it any more.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), self.length) };
    }
}

fn create_file(length: usize, pages: Pages) -> Result<OwnedFd> {
    let flags = match pages {
        Pages::Small => MFdFlags::MFD_CLOEXEC,
        Pages::Huge => MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB,
    };
    let fd = memfd_create("guest-memory", flags).map_err(system("create guest memory"))?;
    ftruncate(&fd, length as i64).map_err(system(format!("size guest memory to {length}")))?;
    Ok(fd)
}

fn map(fd: &OwnedFd, length: usize) -> Result<NonNull<u8>> {
    let size = NonZeroUsize::new(length).expect("a guest has memory");
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new shared mapping at an address that the kernel chooses touches nothing existing.
    let base = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, fd, 0) };
    Ok(base
        .map_err(system(format!("map {length} bytes of guest memory")))?
        .cast())
}

fn region(index: usize, size: usize, base: NonNull<u8>) -> Region {
    let offset = (index * size) as u64;
    Region {
        guest_address: index as u64 * REGION_STRIDE,
        size: size as u64,
        user_address: base.as_ptr() as u64 + offset,
        offset,
    }
}

/// Hands out guest-physical addresses, none across two regions, none twice.
#[derive(Debug)]
pub struct Allocator {
    regions: Vec<Region>,
    next: usize,
    used: Vec<u64>,
}

impl Allocator {
    /// Allocates in all of `memory` but its first page, so that no address is 0.
    pub fn new(memory: &GuestMemory) -> Self {
        let regions = memory.regions.clone();
        let used = regions.iter().map(|_| 4096).collect();
        Self {
            regions,
            next: 0,
            used,
        }
    }

    /// An address for `length` bytes, aligned to `align`, taking the regions in turn.
    ///
    /// # Panics
    /// When the memory is exhausted: its owner computed the size.
    pub fn take(&mut self, length: usize, align: u64) -> u64 {
        for _ in 0..self.regions.len() {
            let index = self.next;
            self.next = (self.next + 1) % self.regions.len();
            let start = self.used[index].next_multiple_of(align);
            if start + length as u64 <= self.regions[index].size {
                self.used[index] = start + length as u64;
                return self.regions[index].guest_address + start;
            }
        }
        panic!("guest memory is exhausted: {length} bytes wanted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn regions_are_views_of_one_file() {
        let memory = GuestMemory::new(2, 4096, Pages::Small).unwrap();
        let second = memory.regions()[1];
        memory.write(second.guest_address + 8, &[1, 2, 3, 4]);
        assert_eq!(
            memory
                .u16_at(second.guest_address + 8)
                .load(Ordering::Relaxed),
            0x0201
        );
        let mut bytes = [0; 4];
        memory.read(second.guest_address + 8, &mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4]);
        assert_eq!(
            memory.user_address(second.guest_address),
            second.user_address
        );
    }

    #[test]
    #[should_panic(expected = "outside")]
    fn an_address_past_its_region_is_refused() {
        let memory = GuestMemory::new(2, 4096, Pages::Small).unwrap();
        memory.u16_at(memory.regions()[0].size);
    }

    #[test]
    fn allocations_stay_inside_one_region_and_apart() {
        let memory = GuestMemory::new(2, 4096, Pages::Small).unwrap();
        let mut allocator = Allocator::new(&memory);
        let mut taken: Vec<u64> = (0..100).map(|_| allocator.take(2000, 64)).collect();
        taken.sort_unstable();
        assert!(taken.windows(2).all(|pair| pair[1] - pair[0] >= 2000));
        assert!(taken.iter().all(|address| address % 64 == 0));
        taken
            .iter()
            .for_each(|address| memory.write(*address, &[0; 2000]));
    }
}
