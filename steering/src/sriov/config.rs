//! The configuration of the two backends that steer VFs.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::Address;
use super::by::By;
use crate::config::duration;

/// `[steering]` with `backend = "sriov-mac"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SriovMacConfig {
    /// The network device of the PF.
    pub pf: String,
    /// The numbers of the VFs of `a` and `b`.
    pub vfs: [u32; 2],
    /// What is for this address is delivered to the VF in use.
    pub address: Address,
    /// [`Contract::in_flight`](crate::Contract::in_flight).
    #[serde(default = "default_in_flight", deserialize_with = "duration")]
    pub in_flight: Duration,
}

/// `[steering]` with `backend = "sriov-vlan"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SriovVlanConfig {
    /// The network device of the PF.
    pub pf: String,
    /// The numbers of the VFs of `a` and `b`.
    pub vfs: [u32; 2],
    /// What comes in this VLAN is delivered to the VF in use, without its tag; what that VF sends gets
    /// the tag.
    pub vlan: Vlan,
    /// The VLAN of the VF at rest, in which nobody else is.
    #[serde(default = "last_vlan")]
    pub vlan_at_rest: Vlan,
    /// Both VFs have this address. Without it each keeps its own, and is trusted, so that its instance
    /// may make it promiscuous.
    pub address: Option<Address>,
    /// [`Contract::in_flight`](crate::Contract::in_flight).
    #[serde(default = "default_in_flight", deserialize_with = "duration")]
    pub in_flight: Duration,
}

/// A NIC has a packet in the VF's receive ring within microseconds; interrupted PCIe writes and a busy
/// IOMMU are allowed for.
fn default_in_flight() -> Duration {
    super::CONTRACT.in_flight
}

/// The number of a VLAN, 1 to 4094 (IEEE 802.1Q, 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vlan(u16);

impl Vlan {
    const LAST: Self = Self(4094);

    /// The VLAN of this number; `None` for 0 and for what is more than 4094.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (1..=Self::LAST.0).contains(&number).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

fn last_vlan() -> Vlan {
    Vlan::LAST
}

impl<'de> Deserialize<'de> for Vlan {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(from)?;
        Self::new(number)
            .ok_or_else(|| de::Error::custom(format!("there is no VLAN {number}; write 1 to 4094")))
    }
}

/// What both backends have in common.
#[derive(Clone, Debug)]
pub(crate) struct SriovConfig {
    pub(super) pf: String,
    pub(super) vfs: [u32; 2],
    pub(super) by: By,
    pub(super) in_flight: Duration,
}

impl From<&SriovMacConfig> for SriovConfig {
    fn from(config: &SriovMacConfig) -> Self {
        Self {
            pf: config.pf.clone(),
            vfs: config.vfs,
            by: By::Address(config.address),
            in_flight: config.in_flight,
        }
    }
}

impl From<&SriovVlanConfig> for SriovConfig {
    fn from(config: &SriovVlanConfig) -> Self {
        let by = By::Vlan {
            in_use: config.vlan,
            at_rest: config.vlan_at_rest,
            address: config.address,
        };
        Self {
            pf: config.pf.clone(),
            vfs: config.vfs,
            by,
            in_flight: config.in_flight,
        }
    }
}
