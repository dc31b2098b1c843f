//! What the supervisor says.

use super::{DeviceUpdate, PortRef, Revision, TermRef};
use crate::device::SocketMode;
use crate::{InstanceId, PortId, Term};
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
    /// [`super::FromInstance::Mapped`]. Also tells a starting instance the devices that the vault has.
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
    /// For a standby: the lanes no longer wait for the lane locks. Answered by
    /// [`super::FromInstance::StoodDown`].
    #[n(12)]
    StandDown,
    /// Open the uplink, which was left for later. Answered by [`super::FromInstance::UplinkOpened`].
    #[n(13)]
    OpenUplink,
    /// Close the uplink, so that the other instance can open the same device. Answered by
    /// [`super::FromInstance::UplinkClosed`].
    #[n(14)]
    CloseUplink,
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
    /// Where an instance that has lost its supervisor finds the next one: a SOCK_SEQPACKET socket.
    /// `None`: it leaves.
    #[n(9)]
    pub rejoin_at: Option<String>,
    /// So many hugepage files come as fds behind the ledger's: DPDK's memory is in these, and in no
    /// other hugepages. `memory_mib` and `hugepages` are for who does not know of that.
    #[n(10)]
    pub memory_files: Option<u16>,
    /// `true`: the uplink is not opened before [`ToInstance::OpenUplink`].
    #[n(11)]
    pub uplink_later: Option<bool>,
    /// `true`: the supervisor wants [`super::FromInstance::FirstPacket`].
    #[n(12)]
    pub first_packet: Option<bool>,
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
