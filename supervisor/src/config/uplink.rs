//! `[uplink]`: each instance's own way to the NIC.

use super::units::{duration, duration_or_off};
use crate::pci::{PciAddress, Wanted, WantedFunction, no_address};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;
use vhost_transfer::InstanceId;

/// `[uplink]`, in one of two ways: `a` and `b`, or `vfs`. [`Self::devices`] says in which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    /// Of instance `a`: a PCI address, or DPDK device arguments such as `net_af_packet0,iface=vf0`.
    pub a: Option<String>,
    /// Of instance `b`.
    pub b: Option<String>,
    /// Whether each instance has a device of its own. Default `pair`.
    #[serde(default)]
    pub mode: UplinkMode,
    /// The network device of the NIC's PF.
    pub pf: Option<String>,
    /// The functions of instance `a` and of `b`, or the one that both have, which the supervisor binds
    /// to vfio-pci.
    pub vfs: Option<Vec<FunctionName>>,
    /// The supervisor makes the VFs when the PF has none. Default no.
    #[serde(default)]
    pub make_vfs: bool,
    /// How long the old uplink must stay empty after steering before it counts as drained.
    /// Default 30 µs.
    #[serde(default = "default_drain", with = "duration")]
    pub drain: Duration,
    /// How often each uplink is asked whether it hears, `None` (`"off"`): never. Default 200 ms.
    #[serde(default = "default_probe", with = "duration_or_off")]
    pub probe: Option<Duration>,
    /// So many probes in a row that are not heard make an uplink a deaf one. Default 5.
    #[serde(default = "default_deaf_after")]
    pub deaf_after: u32,
}

/// Whose the devices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UplinkMode {
    /// Each instance has a device of its own, open all the time.
    #[default]
    Pair,
    /// There is one device: the active instance has it open.
    Restart,
}

fn default_drain() -> Duration {
    Duration::from_micros(30)
}

fn default_probe() -> Option<Duration> {
    Some(Duration::from_millis(200))
}

fn default_deaf_after() -> u32 {
    5
}

/// Where the uplinks' devices come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices<'c> {
    /// From DPDK device arguments, that of `a` and that of `b`; the operator has prepared them.
    Arguments([&'c str; 2]),
    /// From PCI functions, that of `a` and that of `b` or the one of both, which the supervisor prepares.
    Functions(&'c [FunctionName]),
}

impl Uplink {
    /// Where the devices come from. An argument that is not there is empty, which no valid
    /// configuration has.
    pub fn devices(&self) -> Devices<'_> {
        match &self.vfs {
            Some(functions) => Devices::Functions(functions),
            None => {
                let [a, b] = [&self.a, &self.b].map(|one| one.as_deref().unwrap_or_default());
                Devices::Arguments([a, b])
            }
        }
    }

    /// The device arguments of `instance`. `None`: the supervisor finds out its function's address.
    pub fn arguments(&self, instance: InstanceId) -> Option<&str> {
        match self.devices() {
            Devices::Arguments(both) => Some(both[instance as usize]),
            Devices::Functions(_) => None,
        }
    }

    /// The functions that the supervisor prepares, if it does.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        let functions = self.vfs.as_ref()?.iter().map(|function| match function {
            FunctionName::Vf(number) => WantedFunction::Vf(*number),
            FunctionName::At(address) => WantedFunction::At(address.clone()),
        });
        Some(Wanted {
            pf: self.pf.clone(),
            functions: functions.collect(),
            make_vfs: self.make_vfs,
        })
    }
}

/// A PCI function: the number of a VF, or the address of any function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FunctionName {
    /// A VF of `pf`, counted from 0.
    Vf(u16),
    /// What is at this address.
    At(PciAddress),
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vf(number) => write!(f, "VF {number}"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl Serialize for FunctionName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Vf(number) => to.serialize_u16(*number),
            Self::At(address) => to.collect_str(address),
        }
    }
}

impl<'de> Deserialize<'de> for FunctionName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EitherName)
    }
}

struct EitherName;

impl Visitor<'_> for EitherName {
    type Value = FunctionName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of a VF, or a PCI address such as \"0000:03:10.0\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<FunctionName, E> {
        let vf = u16::try_from(number).map_err(|_| {
            E::custom(format!(
                "{number} is no number of a VF; they are counted from 0"
            ))
        })?;
        Ok(FunctionName::Vf(vf))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FunctionName, E> {
        let address = PciAddress::parse(text);
        address
            .map(FunctionName::At)
            .ok_or_else(|| E::custom(no_address(text)))
    }
}
