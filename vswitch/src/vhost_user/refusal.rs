//! Why a request is not done.

use super::features::{RINGS, protocol, virtio};
use crate::memory::MemoryError;

/// Why a request is not done. The device is then as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a request of this back end.
    #[error("request {0} is not known; front ends may send only what was offered to them")]
    UnknownRequest(u32),
    /// Without the protocol feature that it belongs to.
    #[error("protocol feature {0} was not negotiated; SET_PROTOCOL_FEATURES must come first")]
    NotNegotiated(&'static str),
    /// Too long or too short.
    #[error("payload has {got} bytes where {expected} belong")]
    PayloadSize {
        /// By the specification.
        expected: usize,
        /// By the header.
        got: usize,
    },
    /// Neither an eventfd nor a pipe.
    #[error("its fd is no eventfd")]
    NoEvent,
    /// Too many or too few.
    #[error("{got} fds came with it where {expected} belong")]
    FdCount {
        /// By the payload.
        expected: usize,
        /// Received.
        got: usize,
    },
    /// Virtio features beyond the offer.
    #[error("features {0:#x} were never offered; the offer is {offer:#x}", offer = virtio::OFFERED)]
    Features(u64),
    /// Protocol features beyond the offer.
    #[error("protocol features {0:#x} were never offered; the offer is {offer:#x}", offer = protocol::OFFERED)]
    ProtocolFeatures(u64),
    /// Features change under a running ring.
    #[error("features cannot change while ring {0} is started; GET_VRING_BASE stops it")]
    FeaturesInUse(u16),
    /// Not a ring of this device.
    #[error("there is no ring {0}; the device has rings 0 to {last}", last = RINGS - 1)]
    RingIndex(u32),
    /// Cannot be the size of a ring.
    #[error("ring size {0} is no power of two from 1 to 32768")]
    RingSize(u32),
    /// Not an index of a split ring.
    #[error("ring position {0} is over the limit of 65535")]
    RingBase(u32),
    /// The ring must stand still for that.
    #[error("ring {0} is started; GET_VRING_BASE must stop it first")]
    RingStarted(u16),
    /// SET_VRING_NUM has not come.
    #[error("ring {0} has no size yet; SET_VRING_NUM must come first")]
    RingUnsized(u16),
    /// Part of a started ring is in no memory region.
    #[error(
        "{part} of ring {ring}, {len} bytes at {addr:#x}, is not in one shared memory region: share the memory first, take it back last"
    )]
    RingOutside {
        /// Its index.
        ring: u16,
        /// Which of the three.
        part: &'static str,
        /// In the front end's address space.
        addr: u64,
        /// Bytes.
        len: u64,
    },
    /// Part of a started ring is where it may not be.
    #[error("{part} of ring {ring} at {addr:#x} is not aligned to {align} bytes")]
    RingAlignment {
        /// Its index.
        ring: u16,
        /// Which of the three.
        part: &'static str,
        /// In the front end's address space.
        addr: u64,
        /// Bytes.
        align: u64,
    },
    /// Neither 0 nor 1.
    #[error("SET_VRING_ENABLE takes 0 or 1, not {0}")]
    Enable(u32),
    /// More than fit.
    #[error("{got} memory regions are over the limit of {limit}")]
    RegionCount {
        /// Wanted.
        got: usize,
        /// Allowed.
        limit: usize,
    },
    /// Nothing in it.
    #[error("memory region at guest address {0:#x} is empty")]
    RegionEmpty(u64),
    /// Its end is beyond the last address.
    #[error("memory region of {size:#x} bytes at {field} {start:#x} goes beyond the last address")]
    RegionWraps {
        /// Which of its addresses.
        field: &'static str,
        /// The address.
        start: u64,
        /// Bytes.
        size: u64,
    },
    /// Not at a page's beginning.
    #[error("memory region's {field} {value:#x} is no multiple of {page}", page = crate::memory::PAGE)]
    RegionAlignment {
        /// Which of its addresses.
        field: &'static str,
        /// The address.
        value: u64,
    },
    /// Two regions share addresses.
    #[error("memory regions at {field}es {first:#x} and {second:#x} overlap")]
    RegionsOverlap {
        /// Which of their addresses.
        field: &'static str,
        /// Of the one.
        first: u64,
        /// Of the other.
        second: u64,
    },
    /// REM_MEM_REG of what is not there.
    #[error("there is no memory region of {size:#x} bytes at guest address {guest_addr:#x}")]
    NoSuchRegion {
        /// Where it would be.
        guest_addr: u64,
        /// Bytes.
        size: u64,
    },
    /// The region cannot be mapped.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Out of range.
    #[error("MTU {0} is outside of 68 to 65535")]
    Mtu(u64),
    /// Not a byte.
    #[error("device status {0:#x} is over the limit of 0xff")]
    Status(u64),
    /// The log's end is beyond the last address.
    #[error(
        "dirty log of {size:#x} bytes at offset {offset:#x} is empty or goes beyond the last address"
    )]
    Log {
        /// Bytes.
        size: u64,
        /// In the fd.
        offset: u64,
    },
}
