//! DPDK's memory out of hugepage files that somebody else has made and populated.
//!
//! DPDK is started with little ordinary memory of its own (`--no-huge`), so that it neither looks for
//! hugepages nor takes one. The files become a heap besides (`rte_malloc_heap_create`, DPDK
//! Programmer's Guide, "Support for Externally Allocated Memory"), from which mempools and queues
//! are made. They are mapped whole at once, which costs 0.6 ms for each GiB since their pages are
//! there. DPDK zeroes what is added to a heap, which costs a hundred times that: so the heap is
//! given a slice, and the next one when it is used up.

use super::{DpdkError, Eal};
use rustix::fs::{fstat, fstatfs};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::{CStr, c_void};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

const HEAP: &CStr = c"files";
/// statfs(2).
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;
/// What DPDK counts in. Pages of 1 GiB consist of these as well.
const UNIT: usize = 2 << 20;
/// Room for the uplink's mempool and its queues, with something left.
const SLICE: usize = 64 << 20;
/// Where the first file is mapped if nothing is there: an IOMMU may know 39 bits of an address only,
/// and devices see DPDK's memory where the process does.
const FIRST_ADDRESS: usize = 64 << 30;

/// The files' memory, mapped.
#[derive(Debug)]
pub(super) struct Mapped(Vec<Span>);

/// The heap that is made of it.
#[derive(Debug)]
pub(super) struct FileHeap {
    /// DPDK's number of the heap, where others have a NUMA node.
    pub(super) socket: i32,
    /// What was not given yet, the first last.
    rest: Mutex<Vec<Span>>,
    given: Mutex<Given>,
}

/// What the heap was given.
#[derive(Debug, Default)]
struct Given {
    /// Devices do not see it yet.
    unseen: Vec<Span>,
    /// There is a device that vfio has opened.
    has_device: bool,
}

/// Hugepages that are mapped and stay mapped.
#[derive(Debug)]
struct Span {
    at: *mut u8,
    len: usize,
}

// SAFETY: an address range of this process, which no two spans have and no thread uses through it.
unsafe impl Send for Span {}

impl Mapped {
    /// Maps every file. Nothing of DPDK is used, so this may be done while DPDK starts.
    ///
    /// # Errors
    /// [`DpdkError::MemoryFile`].
    pub(super) fn all(files: Vec<OwnedFd>) -> Result<Self, DpdkError> {
        let mut spans: Vec<Span> = Vec::with_capacity(files.len());
        for (number, file) in (1..).zip(files) {
            let hint = spans
                .last()
                .map_or(FIRST_ADDRESS, |last| last.at as usize + last.len);
            match map(&file, hint) {
                Ok(span) => spans.push(span),
                Err(problem) => {
                    spans.into_iter().for_each(unmap);
                    return Err(DpdkError::MemoryFile { number, problem });
                }
            }
        }
        spans.reverse();
        Ok(Self(spans))
    }
}

impl FileHeap {
    /// Makes the heap and gives it its first slice.
    ///
    /// # Errors
    /// What DPDK says; there is one such heap in a process.
    pub(super) fn new(eal: &Eal, mapped: Mapped) -> Result<Self, DpdkError> {
        eal.call("rte_malloc_heap_create", "files", || {
            // SAFETY: the EAL is up, and the name is a string that DPDK copies.
            negative_errno(|| unsafe { dpdk_sys::rte_malloc_heap_create(HEAP.as_ptr()) })
        })?;
        // SAFETY: as above.
        let socket = unsafe { dpdk_sys::rte_malloc_heap_get_socket(HEAP.as_ptr()) };
        let heap = Self {
            socket,
            rest: Mutex::new(mapped.0),
            given: Mutex::default(),
        };
        heap.grow(eal)?;
        Ok(heap)
    }

    /// Gives the heap its next slice; false when there is none.
    ///
    /// # Errors
    /// What DPDK says.
    pub(super) fn grow(&self, eal: &Eal) -> Result<bool, DpdkError> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(span) = rest.pop() else {
            return Ok(false);
        };
        let (slice, left) = span.split(SLICE);
        rest.extend(left);
        slice.give(eal)?;
        let mut given = self.given();
        given.unseen.push(slice);
        given.show(eal)?;
        Ok(true)
    }

    /// A PCI device has been opened, and is to see the memory. DPDK remembers that for those that are
    /// opened later.
    ///
    /// # Errors
    /// What DPDK says.
    pub(super) fn show_to_device(&self, eal: &Eal) -> Result<(), DpdkError> {
        let mut given = self.given();
        given.has_device = true;
        given.show(eal)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn show(&mut self, eal: &Eal) -> Result<(), DpdkError> {
        while self.has_device
            && let Some(slice) = self.unseen.last()
            && slice.show(eal)?
        {
            self.unseen.pop();
        }
        Ok(())
    }
}

impl Span {
    fn split(self, at: usize) -> (Self, Option<Self>) {
        if self.len <= at {
            return (self, None);
        }
        let rest = Self {
            at: self.at.wrapping_add(at),
            len: self.len - at,
        };
        let first = Self {
            at: self.at,
            len: at,
        };
        (first, Some(rest))
    }

    /// Has the IOMMU map it, which DPDK does not with `--no-huge`. False where no device is vfio's
    /// (`ENODEV`): none needs it then.
    fn show(&self, eal: &Eal) -> Result<bool, DpdkError> {
        let (container, at) = (dpdk_sys::RTE_VFIO_DEFAULT_CONTAINER_FD, self.at as u64);
        let mut shown = true;
        eal.call("rte_vfio_container_dma_map", "files", || {
            // SAFETY: the memory stays mapped for good, and holds nothing but packets and queues.
            let rc = negative_errno(|| unsafe {
                dpdk_sys::rte_vfio_container_dma_map(container, at, at, self.len as u64)
            });
            shown = rc != -libc::ENODEV;
            if shown { rc } else { 0 }
        })?;
        Ok(shown)
    }

    /// Devices see the memory where the process does (`--iova-mode=va`).
    fn give(&self, eal: &Eal) -> Result<(), DpdkError> {
        let addresses = (0..self.len / UNIT).map(|unit| (self.at as usize + unit * UNIT) as u64);
        let mut addresses: Vec<u64> = addresses.collect();
        eal.call("rte_malloc_heap_memory_add", "files", || {
            // SAFETY: these pages are mapped for good, are given to nobody else, and there is an
            // address for each unit of them, which DPDK copies.
            negative_errno(|| unsafe {
                dpdk_sys::rte_malloc_heap_memory_add(
                    HEAP.as_ptr(),
                    self.at.cast(),
                    self.len,
                    addresses.as_mut_ptr(),
                    addresses.len() as u32,
                    UNIT,
                )
            })
        })
    }
}

/// The memory functions return -1 and leave the reason in `rte_errno`, or no reason at all.
fn negative_errno(call: impl FnOnce() -> i32) -> i32 {
    // SAFETY: sets this thread's rte_errno.
    unsafe { dpdk_sys::dpdk_sys_clear_errno() };
    if call() >= 0 {
        return 0;
    }
    // SAFETY: reads this thread's rte_errno.
    match unsafe { dpdk_sys::dpdk_sys_errno() } {
        0 => -libc::EIO,
        errno => -errno,
    }
}

/// Maps a file whose pages are all there, so that none is taken from the free ones.
fn map(file: &OwnedFd, hint: usize) -> Result<Span, String> {
    let said = |call: &str, error: rustix::io::Errno| format!("cannot be used: {call}: {error}");
    let filesystem = fstatfs(file).map_err(|error| said("fstatfs", error))?;
    if filesystem.f_type as u64 != HUGETLBFS_MAGIC {
        return Err("is not in a hugetlbfs: mount one, and put the file there".into());
    }
    let stat = fstat(file).map_err(|error| said("fstat", error))?;
    let len = usize::try_from(stat.st_size).unwrap_or(0);
    if len == 0 || len % UNIT != 0 {
        return Err(format!("has {len} bytes, and not a multiple of {UNIT}"));
    }
    let there = (stat.st_blocks as u64).saturating_mul(512);
    if there < len as u64 {
        return Err(format!(
            "has {} MiB of its {} MiB populated: populate it before an instance starts",
            there >> 20,
            len >> 20
        ));
    }
    let flags = MapFlags::SHARED | MapFlags::POPULATE;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let hint = ptr::without_provenance_mut::<c_void>(hint);
    // SAFETY: a new mapping, placed where nothing is mapped: the hint binds nobody.
    let at = unsafe { mmap(hint, len, access, flags, file.as_fd(), 0) };
    let at = at.map_err(|error| said("mmap", error))?.cast();
    Ok(Span { at, len })
}

fn unmap(span: Span) {
    // SAFETY: a mapping of our own that was given to nobody.
    let _ = unsafe { munmap(span.at.cast(), span.len) };
}
