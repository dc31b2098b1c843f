//! The configuration of a backend, as a table of the supervisor's file.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::bridge_fdb::{BridgeFdb, BridgeFdbConfig};
use crate::command::{Command, CommandConfig};
use crate::ebpf::{Ebpf, EbpfConfig};
use crate::none::Nowhere;
use crate::sriov::{Sriov, SriovMacConfig, SriovVlanConfig};
use crate::tc_flower::{TcFlower, TcFlowerConfig};
use crate::{Steering, SteeringError};

/// `[steering]`: the backend, and the keys that this backend has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "backend", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SteeringConfig {
    /// `backend = "none"`: a host without an uplink.
    None {},
    /// `backend = "ebpf"`: the software NIC.
    Ebpf(EbpfConfig),
    /// `backend = "bridge-fdb"`: two ports of a Linux bridge.
    BridgeFdb(BridgeFdbConfig),
    /// `backend = "sriov-mac"`: the address in use on one of two VFs.
    SriovMac(SriovMacConfig),
    /// `backend = "sriov-vlan"`: the port VLAN in use on one of two VFs.
    SriovVlan(SriovVlanConfig),
    /// `backend = "tc-flower"`: a NIC in switchdev mode.
    TcFlower(TcFlowerConfig),
    /// `backend = "command"`: the operator's own program.
    Command(CommandConfig),
}

impl SteeringConfig {
    /// Whether the backend knows of a way to send to one side alone: [`Steering::way`].
    pub fn has_way(&self) -> bool {
        match self {
            Self::None {} | Self::Command(_) => false,
            Self::Ebpf(_)
            | Self::BridgeFdb(_)
            | Self::SriovMac(_)
            | Self::SriovVlan(_)
            | Self::TcFlower(_) => true,
        }
    }

    /// Installs the backend in the network namespace of the calling thread, or takes over what an
    /// earlier process left there, without touching traffic.
    ///
    /// # Errors
    /// See the backend's error type. Nothing stays installed.
    pub fn open(&self) -> Result<Box<dyn Steering>, SteeringError> {
        Ok(match self {
            Self::None {} => Box::new(Nowhere::default()),
            Self::Ebpf(config) => Box::new(Ebpf::open(config)?),
            Self::BridgeFdb(config) => Box::new(BridgeFdb::open(config)?),
            Self::SriovMac(config) => Box::new(Sriov::open(config.into())?),
            Self::SriovVlan(config) => Box::new(Sriov::open(config.into())?),
            Self::TcFlower(config) => Box::new(TcFlower::open(config)?),
            Self::Command(config) => Box::new(Command::open(config)?),
        })
    }
}

/// A duration with its unit: `"2s"`, `"50us"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text).map_err(|error| {
        de::Error::custom(format!(
            "`{text}` is no duration: {error}; write a number and its unit, like \"2s\" or \"50us\""
        ))
    })
}
