//! What this back end offers. What is not implemented is not offered.
//!
//! * No offloads: a packet crosses with its checksum complete and unsegmented.
//! * LOG_SHMFD but not LOG_ALL: a dirty log is accepted, kept and moved with the device, but rings do
//!   not write it. QEMU then refuses to migrate the guest ("vhost lacks VHOST_F_LOG_ALL").
//! * Not BACKEND_REQ: nothing is ever asked of the front end. Not INFLIGHT_SHMFD: rings complete in
//!   order, so a split ring's used index tells all. Not DEVICE_STATE. No packed rings yet.

/// Virtio features (virtio 1.2, sections 5.1.3 and 6; bits 26 and 30 are vhost-user's own).
pub mod virtio {
    /// The device tells the driver its MTU.
    pub const MTU: u64 = 1 << 3;
    /// Several buffers may hold one received packet.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The driver announces itself after a migration.
    pub const GUEST_ANNOUNCE: u64 = 1 << 21;
    /// Several queue pairs.
    pub const MQ: u64 = 1 << 22;
    /// All writes to guest memory are logged.
    pub const LOG_ALL: u64 = 1 << 26;
    /// Descriptors may lie in tables of their own.
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// Notifications are asked for by index.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// There are protocol features, and rings begin disabled.
    pub const PROTOCOL_FEATURES: u64 = 1 << 30;
    /// Not a legacy device.
    pub const VERSION_1: u64 = 1 << 32;

    /// What GET_FEATURES answers.
    pub const OFFERED: u64 = MTU
        | MRG_RXBUF
        | GUEST_ANNOUNCE
        | MQ
        | INDIRECT_DESC
        | EVENT_IDX
        | PROTOCOL_FEATURES
        | VERSION_1;
}

/// Protocol features (vhost-user.rst, "Protocol features").
pub mod protocol {
    /// GET_QUEUE_NUM and SET_VRING_ENABLE for several pairs.
    pub const MQ: u64 = 1 << 0;
    /// The dirty log is an fd.
    pub const LOG_SHMFD: u64 = 1 << 1;
    /// SEND_RARP.
    pub const RARP: u64 = 1 << 2;
    /// Any request can be answered.
    pub const REPLY_ACK: u64 = 1 << 3;
    /// NET_SET_MTU.
    pub const NET_MTU: u64 = 1 << 4;
    /// RESET_DEVICE.
    pub const RESET_DEVICE: u64 = 1 << 13;
    /// Memory regions come and go one by one.
    pub const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
    /// SET_STATUS and GET_STATUS.
    pub const STATUS: u64 = 1 << 16;

    /// What GET_PROTOCOL_FEATURES answers.
    pub const OFFERED: u64 =
        MQ | LOG_SHMFD | RARP | REPLY_ACK | NET_MTU | RESET_DEVICE | CONFIGURE_MEM_SLOTS | STATUS;
}

/// Queue pairs of a device, as GET_QUEUE_NUM answers.
pub const QUEUE_PAIRS: u16 = 1;
/// Rings of a device.
pub const RINGS: u16 = 2 * QUEUE_PAIRS;
/// Memory slots of a device, as GET_MAX_MEM_SLOTS answers.
pub const MEMORY_SLOTS: u16 = vhost_transfer::MAX_MEMORY_REGIONS as u16;
