//! The one device, and the circumstances in which it is measured.

use super::options::Options;
use crate::bench::stage::{Conditions, FROM_UPLINK};
use crate::bench::{Error, Result};
use crate::emulator::Mac;
use crate::real_nic::{RealNic, one_virtual_function};
use crate::rig::{OneDevice, RigConfig};
use crate::terminal::Interrupt;

/// What a machine with emulated CPUs has for one instance, MiB: less than the 2,560 that a `nic_machine`
/// has in all, twice.
const EMULATED_MEMORY: u64 = 768;
const USUAL_MEMORY: u64 = 4096;
const QUICK_MEMORY: u64 = 128;
const EMULATED_RUNS: u32 = 5;
const USUAL_RUNS: u32 = 11;

/// Where all three cases of one device are measured.
pub(super) struct Setting {
    /// What the result calls the device.
    pub(super) uplink: String,
    /// Runs of each case.
    pub(super) runs: usize,
    /// DPDK's memory of one instance, MiB.
    pub(super) memory: u64,
    /// Times are those of emulated CPUs.
    pub(super) emulated: bool,
    pub(super) conditions: Conditions,
    device: Device,
}

enum Device {
    Named(OneDevice),
    Vf(RealNic),
}

impl Setting {
    /// What the options say; a VF is made ready.
    pub(super) fn new(options: &Options, interrupt: &Interrupt) -> Result<Self> {
        match options.vf {
            true => Self::on_vf(options, interrupt),
            false => Self::on_host(options, interrupt),
        }
    }

    fn on_host(options: &Options, interrupt: &Interrupt) -> Result<Self> {
        let (memory, runs) = match options.quick {
            true => (QUICK_MEMORY, 1),
            false => (USUAL_MEMORY, USUAL_RUNS),
        };
        let (uplink, device) = match (&options.uplink, &options.wire) {
            (Some(device), Some(wire)) => {
                let (device, wire) = (device.clone(), wire.clone());
                (device.clone(), OneDevice::Real { device, wire })
            }
            (_, _) => ("net_af_packet".to_owned(), OneDevice::Software),
        };
        Ok(Self {
            uplink,
            runs: options.runs.unwrap_or(runs) as usize,
            memory: options.memory.unwrap_or(memory),
            emulated: false,
            conditions: Conditions::new(options.quick, interrupt)?,
            device: Device::Named(device),
        })
    }

    fn on_vf(options: &Options, interrupt: &Interrupt) -> Result<Self> {
        let nic = one_virtual_function(Mac::of_endpoint(FROM_UPLINK)).map_err(Error::Rig)?;
        Ok(Self {
            uplink: "igb VF".to_owned(),
            runs: options.runs.unwrap_or(EMULATED_RUNS) as usize,
            memory: options.memory.unwrap_or(EMULATED_MEMORY),
            emulated: true,
            conditions: Conditions::emulated(interrupt),
            device: Device::Vf(nic),
        })
    }

    /// Two guests and the device.
    pub(super) fn rig(&self) -> RigConfig {
        let (one_device, real_nic) = match &self.device {
            Device::Named(device) => (Some(device.clone()), None),
            Device::Vf(nic) => (None, Some(nic.clone())),
        };
        let limits = match self.emulated {
            true => RigConfig::CPUS_ARE_EMULATED,
            false => "",
        };
        RigConfig {
            one_device,
            real_nic,
            more: RigConfig::DEATHS_ARE_USUAL.to_owned() + limits,
            ..RigConfig::guests(2)
        }
    }
}
