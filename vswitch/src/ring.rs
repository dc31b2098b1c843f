//! The device side of split virtqueues (virtio 1.2, section 2.7), in memory that a guest controls.
//!
//! Nothing that is read from the ring is trusted: indices, addresses, lengths and chains are
//! bounded, and a ring that breaks the rules is marked broken and left alone.

mod chain;
mod cursor;
mod layout;
mod notify;
mod receive;
mod transmit;

#[cfg(test)]
mod tests;

pub use chain::{Frame, MAX_FRAME, Segment};
pub use cursor::Cursor;
pub use receive::{Pushed, Room};
pub use transmit::Taken;

use crate::memory::GuestMemory;
use layout::Parts;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use vhost_transfer::DeviceState;
use vhost_transfer::device::{RingFds, RingState};

/// Virtio feature bits that a ring or its packets depend on (virtio 1.2, sections 5.1.3 and 6).
pub mod feature {
    /// Several buffers may hold one received packet.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// Notifications are asked for by index.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// Not a legacy device.
    pub const VERSION_1: u64 = 1 << 32;
}

/// Why a ring cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Its size is no power of two up to 32768.
    #[error("ring size {0} is no power of two between 1 and 32768")]
    Size(u16),
    /// A part is outside of the guest's memory or not aligned.
    #[error(
        "the {part} of the ring, {len} bytes at {addr:#x}, is not in the guest's memory or not aligned"
    )]
    Address {
        /// Descriptor table, avail ring or used ring.
        part: &'static str,
        /// In the front end's address space.
        addr: u64,
        /// Bytes.
        len: usize,
    },
    /// The driver made more available than the ring has.
    #[error("available index {avail} is more than the ring's size ahead of {seen}")]
    AvailIndex {
        /// The driver's.
        avail: u16,
        /// Where the device stands.
        seen: u16,
    },
    /// A descriptor that is not in the table.
    #[error("descriptor {0} is outside of its table")]
    Descriptor(u16),
    /// A chain that is longer than its table, or has an indirect table where none may be.
    #[error("descriptor chain at {0} loops or is malformed")]
    Chain(u16),
    /// The device was changed by another instance, and this one was not told.
    #[error("the device is newer than this instance knows")]
    Stale,
}

/// One started ring of a device, ready to be polled.
#[derive(Debug)]
pub struct Ring {
    parts: Parts,
    memory: Arc<GuestMemory>,
    event_idx: bool,
    mergeable: bool,
    header: u32,
    call: Option<Arc<OwnedFd>>,
    err: Option<Arc<OwnedFd>>,
}

impl Ring {
    /// The ring that `ring` and `fds` describe, in `memory`.
    ///
    /// # Errors
    /// [`RingError::Size`] and [`RingError::Address`].
    pub fn new(
        device: &DeviceState,
        ring: &RingState,
        fds: &RingFds,
        memory: &Arc<GuestMemory>,
    ) -> Result<Self, RingError> {
        let has = |bits: u64| device.features & bits != 0;
        Ok(Self {
            parts: Parts::locate(ring, memory)?,
            memory: Arc::clone(memory),
            event_idx: has(feature::EVENT_IDX),
            mergeable: has(feature::MRG_RXBUF),
            header: if has(feature::MRG_RXBUF | feature::VERSION_1) {
                12
            } else {
                10
            },
            call: fds.call.clone(),
            err: fds.err.clone(),
        })
    }

    /// How many chains the driver has made available beyond `seen`.
    fn available(&self, seen: u16) -> Result<u16, RingError> {
        let avail = self.parts.avail_index();
        match avail.wrapping_sub(seen) {
            ahead if ahead > self.parts.size() => Err(RingError::AvailIndex { avail, seen }),
            ahead => Ok(ahead),
        }
    }
}
