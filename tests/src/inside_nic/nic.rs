//! On which NIC, and how it is steered.

use crate::emulator::MOST_AT_ONCE;
use crate::real_nic::{RealNic, virtio_on_a_bridge, virtual_functions};
use clap::ValueEnum;
use std::fmt::{self, Display, Formatter};
use std::io;

/// A NIC with its steering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nic {
    /// Two VFs of one port, `net_e1000_igb_vf`.
    SriovMac,
    /// Two virtio-net PCI devices, `net_virtio`, behind ports of a Linux bridge.
    BridgeFdb,
}

impl Nic {
    /// Makes it of what the machine has.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn make(self) -> io::Result<RealNic> {
        match self {
            Self::SriovMac => virtual_functions(),
            Self::BridgeFdb => virtio_on_a_bridge(),
        }
    }

    /// How many packets a move may deliver to both sides, by the contract of the backend, at so many
    /// frames a second and if it took so many µs. With `sriov-mac` what comes between the settings of the
    /// two VFs, and an instrument that was late sends [`MOST_AT_ONCE`]; with `bridge-fdb` only what is
    /// flooded, and no flow's frames are.
    pub(super) fn twins(self, rate: u32, steering_us: u64) -> u64 {
        match self {
            Self::SriovMac => u64::from(rate) * steering_us / 1_000_000 + MOST_AT_ONCE,
            Self::BridgeFdb => 0,
        }
    }

    /// Packets that it may have taken from an instance and not sent yet, when that has let go. QEMU's igb
    /// sends when it is told of them, its virtio-net when its main loop comes round to it, and the driver
    /// `net_virtio` does not tell the instance when that is: seen late by 26 packets on a busy host.
    pub(super) fn transmit_queue(self) -> u64 {
        match self {
            Self::SriovMac => 0,
            Self::BridgeFdb => 256,
        }
    }
}

impl Display for Nic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SriovMac => "sriov-mac, two igb VFs",
            Self::BridgeFdb => "bridge-fdb, two virtio-net PCI devices",
        })
    }
}
