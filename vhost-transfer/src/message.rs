//! What the supervisor and an instance say to each other.
//!
//! The order of a life: the instance says [`FromInstance::Hello`], the supervisor answers
//! [`ToInstance::Setup`], ports follow, the instance says [`FromInstance::Warm`], and is told to
//! [`ToInstance::Activate`] or to [`ToInstance::StandBy`].
//!
//! A handover to `term`: Prepare to the standby and Quiesce to the active one; Prepared and
//! Quiesced come back; steering; the release word of the ledger; Released and Active come back.

use crate::device::SocketMode;
use crate::{InstanceId, PortId, Term};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// Supervisor to instance.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ToInstance {
    /// Start up. Comes with the ledger's fd.
    #[n(0)]
    Setup(#[n(0)] Setup),
    /// There is a new port. In server mode it comes with the listening socket.
    #[n(1)]
    AddPort(#[n(0)] AddPort),
    /// The port is no more: close its device and forget its addresses.
    #[n(2)]
    RemovePort(#[n(0)] PortRef),
    /// For a standby: map this device, or this newer state of it. Comes with its fds. Answered by
    /// [`FromInstance::Mapped`]. Also tells a starting instance the devices that the vault has.
    #[n(3)]
    Device(#[n(0)] DeviceUpdate),
    /// For a standby: the device's connection is closed.
    #[n(4)]
    DeviceGone(#[n(0)] PortRef),
    /// For the active one: the vault has this revision, and so has the standby if there is one.
    #[n(5)]
    Stored(#[n(0)] Revision),
    /// Let the lanes wait for the lane locks.
    #[n(6)]
    StandBy,
    /// Take the lane locks, which nobody holds.
    #[n(7)]
    Activate(#[n(0)] TermRef),
    /// For a standby: get ready to take over; try all that could fail.
    #[n(8)]
    Prepare(#[n(0)] TermRef),
    /// For the active one: finish the vhost-user message at hand, read no further ones, and let
    /// the lanes watch the release word.
    #[n(9)]
    Quiesce(#[n(0)] Quiesce),
    /// The handover to this term is off: go on as before.
    #[n(10)]
    Abort(#[n(0)] TermRef),
    /// Leave. The active one lets go of the lanes first.
    #[n(11)]
    Stop,
}

/// Instance to supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FromInstance {
    /// The first message.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Completely started: uplink up, memory in place.
    #[n(1)]
    Warm(#[n(0)] Warm),
    /// For the vault, before a message that changes the device is consumed. Comes with its fds.
    /// Answered by [`ToInstance::Stored`].
    #[n(2)]
    Device(#[n(0)] DeviceUpdate),
    /// The front end closed the connection, or had to be dropped.
    #[n(3)]
    DeviceGone(#[n(0)] DeviceGone),
    /// Answers [`ToInstance::Device`].
    #[n(4)]
    Mapped(#[n(0)] Mapped),
    /// Answers [`ToInstance::Prepare`].
    #[n(5)]
    Prepared(#[n(0)] TermRef),
    /// Answers [`ToInstance::Prepare`] or [`ToInstance::Quiesce`]: it cannot be done.
    #[n(6)]
    Refused(#[n(0)] Refused),
    /// Answers [`ToInstance::Quiesce`]: every change of a device has been sent.
    #[n(7)]
    Quiesced(#[n(0)] TermRef),
    /// The lanes have let go of their locks.
    #[n(8)]
    Released(#[n(0)] Released),
    /// The lanes have their locks and run.
    #[n(9)]
    Active(#[n(0)] Active),
    /// The lanes wait for the lane locks.
    #[n(10)]
    StandingBy,
    /// Something about a port that an operator should know, such as a refused connection.
    #[n(11)]
    PortTrouble(#[n(0)] PortTrouble),
    /// The instance cannot go on, and leaves.
    #[n(12)]
    Fatal(#[n(0)] Fatal),
    /// Answers [`ToInstance::Abort`]: as before the handover was begun.
    #[n(13)]
    Aborted(#[n(0)] Aborted),
}

/// See [`ToInstance::Setup`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Setup {
    /// Which of the two the receiver is.
    #[n(0)]
    pub instance: InstanceId,
    /// The CPU of each lane; its length is the number of lanes.
    #[n(1)]
    pub lane_cpus: Vec<u16>,
    /// How lanes wait for work.
    #[n(2)]
    pub poll: Poll,
    /// DPDK's memory, MiB.
    #[n(3)]
    pub memory_mib: u32,
    /// DPDK's memory is in hugepages; otherwise it is ordinary memory.
    #[n(4)]
    pub hugepages: bool,
    /// DPDK's `--file-prefix`, unlike that of any other process on the host.
    #[n(5)]
    pub file_prefix: String,
    /// The uplink as DPDK device arguments: a PCI address, or a virtual device such as
    /// `net_af_packet0,iface=eth1`. `None`: a switch without uplink.
    #[n(6)]
    pub uplink: Option<String>,
    /// A learned address is forgotten when it was silent for so long, seconds.
    #[n(7)]
    pub mac_aging_s: u32,
    /// How long the uplink must stay empty after steering before it counts as drained, µs.
    #[n(8)]
    pub drain_us: u32,
}

/// How a lane waits for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Poll {
    /// Never sleep: the lane has its CPU for itself.
    #[n(0)]
    Busy,
    /// Yield, then nap for longer and longer while there is nothing to do.
    #[n(1)]
    Adaptive,
}

/// See [`ToInstance::AddPort`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AddPort {
    /// Its number, not [`PortId::UPLINK`].
    #[n(0)]
    pub port: PortId,
    /// Its name in the configuration.
    #[n(1)]
    pub name: String,
    /// Who binds the socket.
    #[n(2)]
    pub mode: SocketMode,
    /// In client mode: where to connect to.
    #[n(3)]
    pub path: String,
}

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

/// See [`ToInstance::Quiesce`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Quiesce {
    /// The term that the move leads to.
    #[n(0)]
    pub term: Term,
    /// Close all vhost-user connections: the front ends will connect to the successor.
    #[n(1)]
    pub reconnect: bool,
}

/// See [`FromInstance::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Version of the instance's program.
    #[n(0)]
    pub version: String,
    /// Version of DPDK that it runs with.
    #[n(1)]
    pub dpdk: String,
    /// The ledger layout that it can share.
    #[n(2)]
    pub ledger_layout: u32,
}

/// See [`FromInstance::Warm`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Warm {
    /// MAC address of the uplink.
    #[n(0)]
    pub uplink_mac: Option<[u8; 6]>,
    /// Phases of the start and how long each took, µs.
    #[n(1)]
    pub phases: Vec<Phase>,
}

/// A phase of a start.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Phase {
    /// Such as `eal`, `mempool`, `port`.
    #[n(0)]
    pub name: String,
    /// Its length, µs.
    #[n(1)]
    pub us: u64,
}

/// See [`FromInstance::DeviceGone`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceGone {
    /// The device's port.
    #[n(0)]
    pub port: PortId,
    /// Why, when it was not the front end's wish.
    #[n(1)]
    pub trouble: Option<String>,
}

/// See [`FromInstance::Mapped`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Mapped {
    /// The device's port.
    #[n(0)]
    pub port: PortId,
    /// The revision that is mapped, or could not be.
    #[n(1)]
    pub revision: u64,
    /// Why it could not be mapped.
    #[n(2)]
    pub trouble: Option<String>,
}

/// See [`FromInstance::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// The term that the move leads to.
    #[n(0)]
    pub term: Term,
    /// Why.
    #[n(1)]
    pub reason: String,
}

/// See [`FromInstance::Released`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Released {
    /// The term that the move leads to.
    #[n(0)]
    pub term: Term,
    /// Packets taken from the uplink after steering.
    #[n(1)]
    pub drained: u64,
}

/// See [`FromInstance::Aborted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Aborted {
    /// The term that the move would have led to.
    #[n(0)]
    pub term: Term,
    /// Packets that the NIC had already delivered to the standby: they are lost.
    #[n(1)]
    pub discarded: u64,
}

/// See [`FromInstance::Active`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Active {
    /// The term that began.
    #[n(0)]
    pub term: Term,
    /// The lanes before died with their locks.
    #[n(1)]
    pub after_death: bool,
    /// From the old lanes' last burst to the new lanes' first, ns; `None` for the first term and
    /// after a death.
    #[n(2)]
    pub freeze_ns: Option<u64>,
}

/// See [`FromInstance::PortTrouble`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PortTrouble {
    /// The port.
    #[n(0)]
    pub port: PortId,
    /// What happened, and what to do.
    #[n(1)]
    pub trouble: String,
}

/// See [`FromInstance::Fatal`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Fatal {
    /// What happened, and what to do.
    #[n(0)]
    pub reason: String,
}
