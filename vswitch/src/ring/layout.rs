//! Where the three parts of a split ring lie (virtio 1.2, section 2.7).

use super::RingError;
use crate::memory::GuestMemory;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering::*};
use vhost_transfer::device::RingState;

/// The descriptor continues at `next`.
pub(super) const NEXT: u16 = 1;
/// The device may write to the buffer, and not read.
pub(super) const WRITE: u16 = 2;
/// The buffer is a table of descriptors.
pub(super) const INDIRECT: u16 = 4;
/// Bytes of a descriptor.
pub(super) const DESCRIPTOR: usize = 16;

/// The device does not want to be kicked (`used.flags`).
const USED_NO_NOTIFY: u16 = 1;
/// The driver does not want interrupts (`avail.flags`).
const AVAIL_NO_INTERRUPT: u16 = 1;

/// A descriptor, copied out of the guest's memory so that it does not change under us.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) addr: u64,
    pub(super) len: u32,
    pub(super) flags: u16,
    pub(super) next: u16,
}

/// The parts of a ring, checked to lie in guest memory that the owner of this keeps mapped.
#[derive(Debug)]
pub(super) struct Parts {
    size: u16,
    desc: NonNull<u8>,
    avail: NonNull<u8>,
    used: NonNull<u8>,
}

// SAFETY: shared memory, accessed by atomics and volatile copies only.
unsafe impl Send for Parts {}
// SAFETY: as above.
unsafe impl Sync for Parts {}

impl Parts {
    pub(super) fn locate(ring: &RingState, memory: &GuestMemory) -> Result<Self, RingError> {
        let size = ring.size;
        if !size.is_power_of_two() || size > 32768 {
            return Err(RingError::Size(size));
        }
        let entries = usize::from(size);
        let part = |part, addr: u64, len, align: usize| {
            let found = memory
                .user_range(addr, len)
                .filter(|at| at.addr().get().is_multiple_of(align));
            found.ok_or(RingError::Address { part, addr, len })
        };
        Ok(Self {
            size,
            desc: part("descriptor table", ring.desc_addr, entries * DESCRIPTOR, 8)?,
            avail: part("available ring", ring.avail_addr, 6 + entries * 2, 2)?,
            used: part("used ring", ring.used_addr, 6 + entries * 8, 4)?,
        })
    }

    pub(super) fn size(&self) -> u16 {
        self.size
    }

    /// `avail.idx`; what the driver wrote before it is visible after this.
    pub(super) fn avail_index(&self) -> u16 {
        self.avail_u16(2).load(Acquire)
    }

    /// The head that the driver put at free-running `index`.
    pub(super) fn avail_head(&self, index: u16) -> u16 {
        self.avail_u16(4 + self.place(index) * 2).load(Relaxed)
    }

    /// Whether the driver wants no interrupts at all.
    pub(super) fn interrupts_off(&self) -> bool {
        self.avail_u16(0).load(Relaxed) & AVAIL_NO_INTERRUPT != 0
    }

    /// `used_event`: the used index at which the driver wants an interrupt.
    pub(super) fn used_event(&self) -> u16 {
        self.avail_u16(4 + usize::from(self.size) * 2).load(Relaxed)
    }

    /// `used.idx`.
    pub(super) fn used_index(&self) -> &AtomicU16 {
        self.used_u16(2)
    }

    /// Writes the used entry at free-running `index`.
    pub(super) fn write_used(&self, index: u16, head: u16, len: u32) {
        // SAFETY: `place` is less than the size, so the 8 bytes lie in the used ring, 4-aligned.
        unsafe {
            let entry = self
                .used
                .as_ptr()
                .add(4 + self.place(index) * 8)
                .cast::<u32>();
            entry.write_volatile(u32::from(head).to_le());
            entry.add(1).write_volatile(len.to_le());
        }
    }

    /// Lanes poll: tells the driver that kicks are of no use.
    pub(super) fn suppress_kicks(&self) {
        self.used_u16(0).store(USED_NO_NOTIFY, Relaxed);
    }

    /// The descriptor at `index` of the ring's own table.
    pub(super) fn descriptor(&self, index: u16) -> Result<Descriptor, RingError> {
        if index >= self.size {
            return Err(RingError::Descriptor(index));
        }
        // SAFETY: `index` was checked against the table's size.
        Ok(unsafe {
            self.desc
                .as_ptr()
                .cast::<Descriptor>()
                .add(usize::from(index))
                .read_volatile()
        })
    }

    fn place(&self, index: u16) -> usize {
        usize::from(index & (self.size - 1))
    }

    fn avail_u16(&self, offset: usize) -> &AtomicU16 {
        // SAFETY: every caller's offset is even and less than the 6 + 2 * size bytes of the
        // available ring, which is mapped as long as `self` lives and only accessed atomically.
        unsafe { AtomicU16::from_ptr(self.avail.as_ptr().add(offset).cast()) }
    }

    fn used_u16(&self, offset: usize) -> &AtomicU16 {
        // SAFETY: flags and index, at 0 and 2 of the used ring; as above.
        unsafe { AtomicU16::from_ptr(self.used.as_ptr().add(offset).cast()) }
    }
}
