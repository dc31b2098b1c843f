//! The backends that promise something of their own.

use crate::{Contract, bridge_fdb, ebpf, sriov, tc_flower};

/// A backend. `none` moves nothing, and of `command` it is the operator who promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The software NIC.
    Ebpf,
    /// Two ports of a Linux bridge.
    BridgeFdb,
    /// The address in use on one of two VFs.
    SriovMac,
    /// The port VLAN in use on one of two VFs.
    SriovVlan,
    /// A NIC in switchdev mode.
    TcFlower,
}

impl Kind {
    /// In the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Ebpf,
        Self::BridgeFdb,
        Self::SriovMac,
        Self::SriovVlan,
        Self::TcFlower,
    ];

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::BridgeFdb => "bridge-fdb",
            Self::SriovMac => "sriov-mac",
            Self::SriovVlan => "sriov-vlan",
            Self::TcFlower => "tc-flower",
        }
    }

    /// With the default time in flight.
    pub fn contract(self) -> Contract {
        match self {
            Self::Ebpf => ebpf::CONTRACT,
            Self::BridgeFdb => bridge_fdb::CONTRACT,
            Self::SriovMac | Self::SriovVlan => sriov::CONTRACT,
            Self::TcFlower => tc_flower::CONTRACT,
        }
    }
}
