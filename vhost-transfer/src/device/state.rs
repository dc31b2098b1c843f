//! What can be written down of a device.

use crate::PortId;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// Which end of the vhost-user connection bound the socket's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SocketMode {
    /// The switch listens, the front end connects.
    #[n(0)]
    Server,
    /// The front end listens, the switch connects.
    #[n(1)]
    Client,
}

/// All that a back end knows of one device, but the ring positions of started rings, which live in
/// the ledger. Names are those of the vhost-user specification (QEMU `docs/interop/vhost-user.rst`).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceState {
    /// Field numbers of this map that a reader must know to serve the device; one that lacks any
    /// of them refuses the device.
    #[n(0)]
    pub must_understand: Vec<u32>,
    /// The port that the device is behind.
    #[n(1)]
    pub port: PortId,
    /// Counts the changes of this device since its connection came up, from 1.
    #[n(2)]
    pub revision: u64,
    /// Who bound the socket.
    #[n(3)]
    pub socket_mode: SocketMode,
    /// Virtio features that the front end acknowledged (SET_FEATURES).
    #[n(4)]
    pub features: u64,
    /// Protocol features that the front end acknowledged (SET_PROTOCOL_FEATURES).
    #[n(5)]
    pub protocol_features: u64,
    /// Virtio device status (SET_STATUS).
    #[n(6)]
    pub status: u8,
    /// SET_OWNER has come.
    #[n(7)]
    pub owned: bool,
    /// MTU that the guest was told (NET_SET_MTU), bytes.
    #[n(8)]
    pub mtu: Option<u16>,
    /// Address for which a RARP is still to be sent (SEND_RARP).
    #[n(9)]
    pub pending_rarp: Option<[u8; 6]>,
    /// Memory regions in the front end's order, one fd each.
    #[n(10)]
    pub memory: Vec<MemoryRegion>,
    /// Memory slots that the front end was told; it must never shrink.
    #[n(11)]
    pub memory_slots: u16,
    /// The dirty log, when the front end has set one (SET_LOG_BASE).
    #[n(12)]
    pub log: Option<DirtyLog>,
    /// There is an eventfd for the dirty log (SET_LOG_FD).
    #[n(13)]
    pub has_log_event: bool,
    /// There is a back-end channel (SET_BACKEND_REQ_FD).
    #[n(14)]
    pub has_backend_channel: bool,
    /// The rings, by index, without gaps; at most [`crate::MAX_RINGS`].
    #[n(15)]
    pub rings: Vec<RingState>,
    /// The front end's message, header and payload, that made this revision, unless it is known to
    /// be answered: a successor that finds it still in the socket answers and does not repeat it.
    #[n(16)]
    pub at_hand: Option<ByteVec>,
}

impl DeviceState {
    /// Field numbers that this version knows.
    pub const KNOWN_FIELDS: u32 = 17;

    /// A device whose connection has just come up.
    pub fn new(port: PortId, socket_mode: SocketMode, memory_slots: u16) -> Self {
        Self {
            must_understand: Vec::new(),
            port,
            revision: 1,
            socket_mode,
            features: 0,
            protocol_features: 0,
            status: 0,
            owned: false,
            mtu: None,
            pending_rarp: None,
            memory: Vec::new(),
            memory_slots,
            log: None,
            has_log_event: false,
            has_backend_channel: false,
            rings: Vec::new(),
            at_hand: None,
        }
    }
}

/// One region of guest memory (SET_MEM_TABLE, ADD_MEM_REG).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct MemoryRegion {
    /// Guest physical address of its first byte.
    #[n(0)]
    pub guest_addr: u64,
    /// Bytes.
    #[n(1)]
    pub size: u64,
    /// Address of its first byte in the front end's own address space, in which rings are given.
    #[n(2)]
    pub user_addr: u64,
    /// Where in the fd it begins, bytes.
    #[n(3)]
    pub mmap_offset: u64,
}

/// The dirty log of a live migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct DirtyLog {
    /// Bytes.
    #[n(0)]
    pub size: u64,
    /// Where in the fd it begins, bytes.
    #[n(1)]
    pub offset: u64,
}

/// One virtqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
#[cbor(map)]
pub struct RingState {
    /// Descriptors (SET_VRING_NUM); 0: not told yet.
    #[n(0)]
    pub size: u16,
    /// The three parts in the front end's address space (SET_VRING_ADDR).
    #[n(1)]
    pub desc_addr: u64,
    /// Driver area.
    #[n(2)]
    pub avail_addr: u64,
    /// Device area.
    #[n(3)]
    pub used_addr: u64,
    /// Writes to the used ring are logged (VHOST_VRING_F_LOG).
    #[n(4)]
    pub log_used: bool,
    /// Guest address at which they are logged.
    #[n(5)]
    pub log_addr: u64,
    /// Position to start at (SET_VRING_BASE), or where it stopped (GET_VRING_BASE). Of no account
    /// while `started`: then the ledger has it.
    #[n(6)]
    pub base: u32,
    /// SET_VRING_KICK has come and GET_VRING_BASE has not.
    #[n(7)]
    pub started: bool,
    /// SET_VRING_ENABLE; kept while stopped.
    #[n(8)]
    pub enabled: bool,
    /// There is a kick fd; started without: the front end asked for polling.
    #[n(9)]
    pub has_kick: bool,
    /// There is a call fd.
    #[n(10)]
    pub has_call: bool,
    /// There is an error fd.
    #[n(11)]
    pub has_err: bool,
    /// Counts the starts of this ring, so that a mapped standby knows a new start from an old one.
    #[n(12)]
    pub starts: u32,
}
