//! On which NIC, and how it is steered.

use crate::real_nic::{RealNic, virtio_on_a_bridge, virtual_functions};
use clap::ValueEnum;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::time::Duration;

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

    /// For how long a move may deliver to both sides what a flow sends, by the contract of the backend,
    /// if it took so long to steer. With `sriov-mac` between the settings of the two VFs; with `bridge-fdb`
    /// only what is flooded is delivered to both, and no flow's frames are.
    pub(super) fn twice(self, steering: Duration) -> Duration {
        match self {
            Self::SriovMac => steering,
            Self::BridgeFdb => Duration::ZERO,
        }
    }

    /// Packets that it may have taken from an instance that dies, and sends late. QEMU's igb sends when it is
    /// told of them, its virtio-net when its main loop comes round to it: as many as its ring holds.
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
