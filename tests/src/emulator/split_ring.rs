//! The driver's side of a split virtqueue (virtio 1.2, section 2.7), in guest memory.
//!
//! The ring knows heads, not buffers: `rx_queue` and `tx_queue` own those.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::memory::{Allocator, GuestMemory};

/// Descriptor flag: the chain goes on in `next`.
pub const NEXT: u16 = 1;
/// Descriptor flag: the device writes.
pub const WRITE: u16 = 2;
/// Descriptor flag: the buffer is a table of descriptors.
pub const INDIRECT: u16 = 4;
/// Bytes of a descriptor.
pub(crate) const DESCRIPTOR_SIZE: u64 = 16;

const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

/// Where a ring lies, in guest-physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLayout {
    /// Entries: a power of two, at most 32,768.
    pub size: u16,
    /// Descriptor table.
    pub descriptors: u64,
    /// Available ring.
    pub available: u64,
    /// Used ring.
    pub used: u64,
}

impl RingLayout {
    /// Lays out a ring of `size` entries.
    pub fn allocate(size: u16, allocator: &mut Allocator) -> Self {
        let entries = usize::from(size);
        Self {
            size,
            descriptors: allocator.take(16 * entries, 4096),
            available: allocator.take(6 + 2 * entries, 64),
            used: allocator.take(6 + 8 * entries, 4096),
        }
    }

    /// Makes a head available, as number `position` since the ring began, and shows it to the device.
    pub fn offer(&self, memory: &GuestMemory, position: u16, head: u16) {
        let entry = self.available + 4 + 2 * u64::from(position % self.size);
        memory.u16_at(entry).store(head, Ordering::Relaxed);
        memory
            .u16_at(self.available + 2)
            .store(position.wrapping_add(1), Ordering::Release);
    }

    /// The used index now: where a back end that lost its state must go on (split rings only).
    pub fn used_index(&self, memory: &GuestMemory) -> u16 {
        memory.u16_at(self.used + 2).load(Ordering::Acquire)
    }
}

/// One descriptor (virtio 1.2, section 2.7.5). Nothing of it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes.
    pub length: u32,
    /// [`NEXT`], [`WRITE`], [`INDIRECT`].
    pub flags: u16,
    /// Next entry of the chain.
    pub next: u16,
}

impl Descriptor {
    /// Writes the descriptor at entry `index` of the table at `table`.
    pub fn write(&self, memory: &GuestMemory, table: u64, index: u16) {
        let at = table + DESCRIPTOR_SIZE * u64::from(index);
        memory.u64_at(at).store(self.address, Ordering::Relaxed);
        memory.u32_at(at + 8).store(self.length, Ordering::Relaxed);
        memory.u16_at(at + 12).store(self.flags, Ordering::Relaxed);
        memory.u16_at(at + 14).store(self.next, Ordering::Relaxed);
    }
}

/// A chain that the device gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) head: u16,
    pub(crate) length: u32,
}

/// Why a ring is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The used index is ahead of what was made available.
    #[error("the used index moved by {moved} while {in_flight} chains were in flight")]
    UsedTooMuch {
        /// How far it moved.
        moved: u16,
        /// Chains that the device had.
        in_flight: u16,
    },
    /// A used element names a head that the device does not have.
    #[error("a used element names head {head}, which is not in flight")]
    NotInFlight {
        /// What it names.
        head: u32,
    },
    /// The device claims to have written more than the buffer holds, or less than the header.
    #[error("a used element claims {length} bytes in a buffer of {size}")]
    BadLength {
        /// What it claims.
        length: u32,
        /// What the buffer holds.
        size: u32,
    },
    /// A frame claims to be in more buffers than there are.
    #[error("a frame claims {buffers} buffers")]
    BadBufferCount {
        /// What it claims.
        buffers: u16,
    },
}

/// The driver's state of one split ring.
#[derive(Debug)]
pub(crate) struct SplitRing {
    memory: Arc<GuestMemory>,
    layout: RingLayout,
    event_idx: bool,
    interrupts: bool,
    /// Next entry of the available ring to fill.
    available: u16,
    /// The available index that the device sees.
    published: u16,
    /// Next entry of the used ring to read.
    used: u16,
    in_flight: Vec<bool>,
}

impl SplitRing {
    /// An empty ring without events or interrupts.
    pub(crate) fn new(memory: Arc<GuestMemory>, layout: RingLayout) -> Self {
        let in_flight = vec![false; usize::from(layout.size)];
        let (event_idx, interrupts) = (false, false);
        Self {
            memory,
            layout,
            event_idx,
            interrupts,
            available: 0,
            published: 0,
            used: 0,
            in_flight,
        }
    }

    /// Sets what was negotiated, and whether the driver wants interrupts.
    pub(crate) fn start(&mut self, event_idx: bool, interrupts: bool) {
        self.event_idx = event_idx;
        self.interrupts = interrupts;
        let flags = if interrupts || event_idx {
            0
        } else {
            NO_INTERRUPT
        };
        self.memory
            .u16_at(self.layout.available)
            .store(flags, Ordering::Relaxed);
        self.rearm();
    }

    pub(crate) fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    pub(crate) fn layout(&self) -> &RingLayout {
        &self.layout
    }

    /// Writes entry `index` of the descriptor table.
    pub(crate) fn describe(&self, index: u16, descriptor: Descriptor) {
        descriptor.write(&self.memory, self.layout.descriptors, index);
    }

    /// Appends a chain; the device sees it with the next `publish`.
    pub(crate) fn add(&mut self, head: u16) {
        debug_assert!(!self.in_flight[usize::from(head)]);
        self.in_flight[usize::from(head)] = true;
        let entry = self.layout.available + 4 + 2 * u64::from(self.available % self.layout.size);
        self.memory.u16_at(entry).store(head, Ordering::Relaxed);
        self.available = self.available.wrapping_add(1);
    }

    /// Shows the device what was added. Returns whether it wants a kick.
    pub(crate) fn publish(&mut self) -> bool {
        if self.available == self.published {
            return false;
        }
        let old = std::mem::replace(&mut self.published, self.available);
        self.memory
            .u16_at(self.layout.available + 2)
            .store(self.available, Ordering::Release);
        // The index must be visible before the device's wish is read (virtio 1.2, 2.7.13.4.1).
        fence(Ordering::SeqCst);
        self.wants_kick(old)
    }

    fn wants_kick(&self, old: u16) -> bool {
        if !self.event_idx {
            return self.memory.u16_at(self.layout.used).load(Ordering::Relaxed) & NO_NOTIFY == 0;
        }
        let event = self.layout.used + 4 + 8 * u64::from(self.layout.size);
        let event = self.memory.u16_at(event).load(Ordering::Relaxed);
        passed(event, self.available, old)
    }

    /// How many used elements wait to be taken.
    pub(crate) fn waiting(&self) -> Result<u16, RingError> {
        let moved = self.layout.used_index(&self.memory).wrapping_sub(self.used);
        let in_flight = self.published.wrapping_sub(self.used);
        match moved <= in_flight {
            true => Ok(moved),
            false => Err(RingError::UsedTooMuch { moved, in_flight }),
        }
    }

    /// The used element `ahead` places after the next one, which `waiting` must have counted.
    pub(crate) fn peek(&self, ahead: u16) -> Result<Used, RingError> {
        let position = self.used.wrapping_add(ahead) % self.layout.size;
        let at = self.layout.used + 4 + 8 * u64::from(position);
        let head = self.memory.u32_at(at).load(Ordering::Relaxed);
        let length = self.memory.u32_at(at + 4).load(Ordering::Relaxed);
        match self.in_flight.get(head as usize) {
            Some(true) => Ok(Used {
                head: head as u16,
                length,
            }),
            Some(false) | None => Err(RingError::NotInFlight { head }),
        }
    }

    /// Takes the next used element, which `waiting` must have counted.
    pub(crate) fn take(&mut self) -> Result<Used, RingError> {
        let used = self.peek(0)?;
        self.in_flight[usize::from(used.head)] = false;
        self.used = self.used.wrapping_add(1);
        self.rearm();
        Ok(used)
    }

    /// Says after which used index an interrupt is wanted: the next one, or one half a turn away.
    fn rearm(&self) {
        if self.event_idx {
            let distance = if self.interrupts { 0 } else { 0x8000 };
            let event = self.used.wrapping_add(distance);
            let at = self.layout.available + 4 + 2 * u64::from(self.layout.size);
            self.memory.u16_at(at).store(event, Ordering::Relaxed);
        }
    }
}

/// Whether moving from `old` to `new` passed `event` (virtio 1.2, vring_need_event).
fn passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests;
