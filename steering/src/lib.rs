//! Steering: which of the two instances' ports the NIC delivers to.
//!
//! [`SteeringConfig::open`] gives a [`Steering`]; [`Steering::contract`] says what a move by it costs
//! the packets in flight. This crate knows nothing of vhost, of DPDK or of the supervisor.
//!
//! | backend | moves | needs |
//! | --- | --- | --- |
//! | `none` | nothing | a host without an uplink |
//! | `ebpf` | a netdev's traffic between two netdevs, by one write to a BPF map | `CAP_NET_ADMIN`, `CAP_BPF` |
//! | `bridge-fdb` | what a Linux bridge delivers to one of its ports, address by address | `CAP_NET_ADMIN` |
//! | `sriov-mac` | one address between two VFs of a NIC port | `CAP_NET_ADMIN` |
//! | `sriov-vlan` | one VLAN between two VFs of a NIC port | `CAP_NET_ADMIN` |
//! | `tc-flower` | what a NIC in switchdev mode delivers to one of two VFs | `CAP_NET_ADMIN` |
//! | `command` | whatever the operator's program moves | the program |
//!
//! Dropping a backend leaves the traffic as it is, so that a supervisor may end, or die, and the next
//! one takes over. [`Steering::close`] gives back what was found.

mod bridge_fdb;
mod command;
mod config;
mod ebpf;
mod error;
mod kind;
mod netdev;
mod netlink;
mod none;
mod side;
mod sriov;
mod tc_flower;
mod way;

pub use bridge_fdb::{BridgeDoing, BridgeError, BridgeFdbConfig};
pub use command::{CommandConfig, CommandError};
pub use config::SteeringConfig;
pub use ebpf::{Doing, EbpfConfig, EbpfError};
pub use error::SteeringError;
pub use kind::Kind;
pub use netdev::{NetdevError, Ports};
pub use side::Side;
pub use sriov::{
    Address, RESETTING as DRIVERS_THAT_RESET_VFS, SriovDoing, SriovError, SriovMacConfig,
    SriovVlanConfig, Vlan,
};
pub use tc_flower::{Representors, TcFlowerConfig, TcFlowerDoing, TcFlowerError};
pub use way::{Sender, Way};

use std::fmt::Debug;
use std::time::Duration;

/// What a backend promises about a move. All of it is about packets from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// There is an instant before which every packet goes to the old side, and after which every
    /// packet goes to the new one.
    pub atomic: bool,
    /// At no instant does neither side receive.
    pub make_before_break: bool,
    /// A packet may be lost by the move itself.
    pub may_lose: bool,
    /// A packet may be delivered to both sides.
    pub may_double: bool,
    /// How long after [`Steering::steer`] returned a packet that was accepted for the old side may
    /// still arrive there. The old side is drained for as long.
    pub in_flight: Duration,
}

/// One way to move the NIC's traffic.
///
/// The order of a handover: [`current`](Self::current) while preparing, for it tries all that can be
/// tried; then [`steer`](Self::steer); then drain the old side for [`Contract::in_flight`].
pub trait Steering: Debug + Send {
    /// What a move promises.
    fn contract(&self) -> Contract;

    /// Delivers to side `to` from now on.
    ///
    /// # Errors
    /// The side may be either one after an error: ask [`current`](Self::current).
    fn steer(&mut self, to: Side) -> Result<(), SteeringError>;

    /// Reads back which side receives, from where the traffic is really moved, and verifies that
    /// nobody took the backend's installation apart. `None`: neither side was ever steered to.
    ///
    /// # Errors
    /// Steering does not work as it stands; the message says what to do.
    fn current(&self) -> Result<Option<Side>, SteeringError>;

    /// Packets that side `to` has been given so far, counted where the traffic is moved; `None` if
    /// the backend cannot tell. What the host itself sends to that side may be among them. Only the
    /// difference of two readings means anything.
    fn delivered(&self, to: Side) -> Option<u64>;

    /// How the host sends to side `to` and to nobody else, whether `to` is in use or not, through all
    /// that must work for `to` to receive. `None`: the backend knows of no way, or of none before
    /// something was steered.
    fn way(&self, to: Side) -> Option<Way>;

    /// Gives back what [`SteeringConfig::open`] found. Without this call the traffic stays as it is.
    ///
    /// # Errors
    /// Something could not be given back; the message names it.
    fn close(self: Box<Self>) -> Result<(), SteeringError>;
}
