//! What either side says.

use crate::{PortId, Term};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PortRef {
    /// Its number.
    #[n(0)]
    pub port: PortId,
}

/// A revision of a port's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Revision {
    /// The device's port.
    #[n(0)]
    pub port: PortId,
    /// Counted by the active instance.
    #[n(1)]
    pub revision: u64,
}

/// A packed device: an envelope that the supervisor reads, and bytes that it does not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceUpdate {
    /// The device's port.
    #[n(0)]
    pub port: PortId,
    /// Counted by the active instance.
    #[n(1)]
    pub revision: u64,
    /// For people.
    #[n(2)]
    pub summary: DeviceSummary,
    /// A [`crate::DeviceState`].
    #[n(3)]
    pub packed: ByteVec,
}

/// What an operator wants to know of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct DeviceSummary {
    /// Acknowledged virtio features.
    #[n(0)]
    pub features: u64,
    /// Acknowledged vhost-user protocol features.
    #[n(1)]
    pub protocol_features: u64,
    /// Rings that are started and enabled.
    #[n(2)]
    pub rings_running: u16,
    /// Guest memory that is shared with the switch, bytes.
    #[n(3)]
    pub memory_bytes: u64,
    /// Memory regions.
    #[n(4)]
    pub memory_regions: u16,
}

/// A term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TermRef {
    /// The term that the move leads to.
    #[n(0)]
    pub term: Term,
}
