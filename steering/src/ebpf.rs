//! The backend `ebpf`: a software NIC for hosts without SR-IOV.
//!
//! A tc program on the NIC's netdev redirects every packet to the netdev of one port; a program on
//! each port redirects every packet to the NIC. Which port is one entry of a BPF map, so that one
//! write moves all traffic. Programs, map and filters belong to the netdevs and outlive the process.
//! What this means for packets in flight is in `docs/steering.md`.

mod attachment;
mod devices;
mod error;
mod label;
mod program;

pub use error::{Doing, EbpfError};

use std::time::Duration;

use serde::Deserialize;

use self::devices::Devices;
use self::program::{Loaded, Target};
use crate::config::duration;
use crate::netdev::Ports;
use crate::{Contract, Side, Steering, SteeringError, Way};

/// `[steering]` with `backend = "ebpf"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EbpfConfig {
    /// The network device that leads to the wire.
    pub nic: String,
    /// The network devices that lead to the instances.
    pub ports: Ports,
    /// [`Contract::in_flight`]: more than the default where the NIC is a busy physical device.
    #[serde(default = "default_in_flight", deserialize_with = "duration")]
    pub in_flight: Duration,
}

/// From the read of the map to the port's receive queue a packet stays in one softirq of one CPU:
/// five times the longest that was measured on veth, see `docs/steering.md`.
fn default_in_flight() -> Duration {
    CONTRACT.in_flight
}

/// With the default time in flight.
pub(crate) const CONTRACT: Contract = Contract {
    atomic: true,
    make_before_break: true,
    may_lose: false,
    may_double: false,
    in_flight: Duration::from_micros(20),
};

/// The installed software NIC.
#[derive(Debug)]
pub(crate) struct Ebpf {
    devices: Devices,
    /// The id of the NIC's program, to which the target belongs.
    program: u32,
    target: Target,
    in_flight: Duration,
}

impl Ebpf {
    /// Installs the software NIC, or takes over the one that is there.
    pub(crate) fn open(config: &EbpfConfig) -> Result<Self, EbpfError> {
        let devices = Devices::find(config)?;
        match devices.installed()? {
            Some(program) => Self::take_over(devices, program, config.in_flight),
            None => Self::install(devices, config.in_flight),
        }
    }

    fn install(devices: Devices, in_flight: Duration) -> Result<Self, EbpfError> {
        let loaded = program::load(devices.nic.index)?;
        let program = loaded.nic.id;
        match attach(&devices, loaded) {
            Ok(target) => Ok(Self {
                devices,
                program,
                target,
                in_flight,
            }),
            Err(error) => {
                // The error that is told is the first.
                let _ = devices.detach();
                Err(error)
            }
        }
    }

    fn take_over(devices: Devices, program: u32, in_flight: Duration) -> Result<Self, EbpfError> {
        let mut target = Target::of_program(program)?;
        refuse_other_ports(&devices, &target)?;
        repair_ports(&devices, &mut target)?;
        Ok(Self {
            devices,
            program,
            target,
            in_flight,
        })
    }
}

/// The NIC last: no packet is redirected before its way is complete.
fn attach(devices: &Devices, loaded: Loaded) -> Result<Target, EbpfError> {
    let Loaded {
        nic,
        port: port_program,
        mut target,
    } = loaded;
    for (side, port) in &devices.ports {
        target.set_port(*side, port.index)?;
        devices.attach_port(port, &port_program)?;
    }
    devices.attach_nic(&nic)?;
    Ok(target)
}

/// A port that the map knows and that is not ours is another pair's, unless it is gone.
fn refuse_other_ports(devices: &Devices, target: &Target) -> Result<(), EbpfError> {
    for (side, port) in &devices.ports {
        let known = target.port(*side)?;
        if known == port.index {
            continue;
        }
        if let Some(port) = devices.name_of(known)? {
            return Err(EbpfError::OtherPorts {
                nic: devices.nic.name.clone(),
                port,
            });
        }
    }
    Ok(())
}

/// Ports may have been created anew while no supervisor looked.
fn repair_ports(devices: &Devices, target: &mut Target) -> Result<(), EbpfError> {
    for (side, port) in &devices.ports {
        if !devices.has_port(port)? {
            devices.attach_port(port, &program::load(devices.nic.index)?.port)?;
        }
        if target.port(*side)? != port.index {
            target.set_port(*side, port.index)?;
        }
    }
    Ok(())
}

impl Steering for Ebpf {
    fn contract(&self) -> Contract {
        Contract {
            in_flight: self.in_flight,
            ..CONTRACT
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        Ok(self.target.steer(to)?)
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        self.devices.verify(self.program)?;
        Ok(self.target.side()?)
    }

    fn delivered(&self, to: Side) -> Option<u64> {
        self.devices.sent_by_port(to)
    }

    fn way(&self, to: Side) -> Option<Way> {
        Some(Way::alone(&self.devices.port(to).name))
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        Ok(self.devices.detach()?)
    }
}
