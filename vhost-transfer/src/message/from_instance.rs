//! What an instance says.

use super::{AddPort, DeviceUpdate, TermRef};
use crate::{InstanceId, PortId, Term};
use minicbor::{Decode, Encode};

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
    /// Answered by [`super::ToInstance::Stored`].
    #[n(2)]
    Device(#[n(0)] DeviceUpdate),
    /// The front end closed the connection, or had to be dropped.
    #[n(3)]
    DeviceGone(#[n(0)] DeviceGone),
    /// Answers [`super::ToInstance::Device`].
    #[n(4)]
    Mapped(#[n(0)] Mapped),
    /// Answers [`super::ToInstance::Prepare`].
    #[n(5)]
    Prepared(#[n(0)] TermRef),
    /// Answers [`super::ToInstance::Prepare`] or [`super::ToInstance::Quiesce`]: it cannot be done.
    #[n(6)]
    Refused(#[n(0)] Refused),
    /// Answers [`super::ToInstance::Quiesce`]: every change of a device has been sent.
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
    /// Answers [`super::ToInstance::Abort`]: as before the handover was begun.
    #[n(13)]
    Aborted(#[n(0)] Aborted),
    /// The first message to a supervisor that has not started this instance. Comes with the
    /// ledger's fd. [`Self::Port`] follows for each port and [`Self::Device`] for each device; the
    /// active one's count, a standby's if there is no active one. Then [`Self::Rejoined`].
    #[n(14)]
    Rejoin(#[n(0)] Rejoin),
    /// A port that this instance has. In server mode it comes with the listening socket.
    #[n(15)]
    Port(#[n(0)] AddPort),
    /// All ports and devices are told.
    #[n(16)]
    Rejoined,
    /// Answers [`super::ToInstance::StandDown`].
    #[n(17)]
    StoodDown,
    /// Answers [`super::ToInstance::CloseUplink`]: nobody here has the device.
    #[n(18)]
    UplinkClosed,
    /// Answers [`super::ToInstance::OpenUplink`]: it is open, or why not.
    #[n(19)]
    UplinkOpened(#[n(0)] UplinkOpened),
    /// Said once in each term of this instance, if the supervisor wants to know.
    #[n(20)]
    FirstPacket(#[n(0)] FirstPacket),
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
    /// When it began, µs from the Setup on.
    #[n(2)]
    pub at_us: Option<u64>,
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
    /// From the old lanes' last burst to the new lanes' first, ns; after a death, from the dead
    /// lanes' last sign of life. `None` for the first term.
    #[n(2)]
    pub freeze_ns: Option<u64>,
}

/// See [`FromInstance::UplinkOpened`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct UplinkOpened {
    /// Why it is not open; all that could be tried again has been.
    #[n(0)]
    pub trouble: Option<String>,
    /// Phases of the opening, µs from its begin on.
    #[n(1)]
    pub phases: Vec<Phase>,
}

/// See [`FromInstance::FirstPacket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FirstPacket {
    /// The term in which it came.
    #[n(0)]
    pub term: Term,
    /// From the first round of the lanes to the first one with a packet, µs.
    #[n(1)]
    pub after_us: u64,
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

/// See [`FromInstance::Rejoin`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rejoin {
    /// Which of the two it is.
    #[n(0)]
    pub instance: InstanceId,
    /// As at its first start.
    #[n(1)]
    pub hello: Hello,
    /// What it is now.
    #[n(2)]
    pub standing: Standing,
    /// The term of the lanes that run, or ran last.
    #[n(3)]
    pub term: Term,
}

/// What an instance is, of what outlives a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// Its lanes run.
    #[n(0)]
    Active,
    /// Its lanes wait for the lane locks.
    #[n(1)]
    Standby,
}
