//! The backend `ebpf`: a software NIC for hosts without SR-IOV.
//!
//! A tc program on the NIC's netdev redirects every packet to the netdev of one port; a program on
//! each port redirects every packet to the NIC. Which port is one entry of a BPF map, so that one
//! write moves all traffic. Programs, map and filters belong to the netdevs and outlive the process.
//! What this means for packets in flight is in `docs/steering.md`.

mod attachment;
mod error;
mod program;

pub use error::{Doing, EbpfError};

use std::time::Duration;

use serde::Deserialize;

use self::program::{Loaded, Program, Target};
use crate::netlink::Netlink;
use crate::{Contract, Side, Steering, SteeringError};

/// `[steering]` with `backend = "ebpf"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EbpfConfig {
    /// The network device that leads to the wire.
    pub nic: String,
    /// The network devices that lead to the instances.
    pub ports: Ports,
}

/// A network device for each side: the host ends of two veth pairs, or two taps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// Leads to instance `a`.
    pub a: String,
    /// Leads to instance `b`.
    pub b: String,
}

/// A configured network device that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Netdev {
    key: &'static str,
    name: String,
    index: u32,
}

/// The installed software NIC.
#[derive(Debug)]
pub(crate) struct Ebpf {
    netlink: Netlink,
    nic: Netdev,
    ports: [(Side, Netdev); 2],
    /// The id of the NIC's program, to which the target belongs.
    program: u32,
    target: Target,
}

/// From the read of the map to the port's receive queue a packet stays in one softirq of one CPU.
/// The worst that was measured is in `docs/steering.md`; this is above it.
const IN_FLIGHT: Duration = Duration::from_micros(50);

impl Ebpf {
    /// Installs the software NIC, or takes over the one that is there.
    pub(crate) fn open(config: &EbpfConfig) -> Result<Self, EbpfError> {
        let netlink = Netlink::open().map_err(Doing::OpenNetlink.failed())?;
        let [nic, a, b] = find_netdevs(&netlink, config)?;
        let ports = [(Side::A, a), (Side::B, b)];
        match attachment::find(&netlink, &nic, attachment::NIC)? {
            Some(found) => Self::take_over(netlink, nic, ports, found.program),
            None => Self::install(netlink, nic, ports),
        }
    }

    fn install(
        netlink: Netlink,
        nic: Netdev,
        ports: [(Side, Netdev); 2],
    ) -> Result<Self, EbpfError> {
        let Loaded {
            nic: program,
            port: port_program,
            target,
        } = program::load(nic.index)?;
        let mut installed = Self {
            netlink,
            nic,
            ports,
            program: program.id,
            target,
        };
        if let Err(error) = installed.attach(&program, &port_program) {
            // The error that is told is the first.
            let _ = installed.detach();
            return Err(error);
        }
        Ok(installed)
    }

    /// The NIC last: no packet is redirected before its way is complete.
    fn attach(&mut self, nic: &Program, port: &Program) -> Result<(), EbpfError> {
        for (side, netdev) in &self.ports {
            self.target.set_port(*side, netdev.index)?;
            attachment::put(&self.netlink, netdev, &self.port_role(), port)?;
        }
        attachment::put(&self.netlink, &self.nic, attachment::NIC, nic)
    }

    fn take_over(
        netlink: Netlink,
        nic: Netdev,
        ports: [(Side, Netdev); 2],
        program: u32,
    ) -> Result<Self, EbpfError> {
        let target = Target::of_program(program)?;
        let mut taken = Self {
            netlink,
            nic,
            ports,
            program,
            target,
        };
        taken.refuse_other_ports()?;
        taken.repair_ports()?;
        Ok(taken)
    }

    /// A port that the map knows and that is not ours is another pair's, unless it is gone.
    fn refuse_other_ports(&self) -> Result<(), EbpfError> {
        for (side, netdev) in &self.ports {
            let known = self.target.port(*side)?;
            if known == netdev.index {
                continue;
            }
            let link = self
                .netlink
                .link_by_index(known)
                .map_err(Doing::FindDevices.failed())?;
            if let Some(link) = link {
                return Err(EbpfError::OtherPorts {
                    nic: self.nic.name.clone(),
                    port: link.name,
                });
            }
        }
        Ok(())
    }

    /// Ports may have been created anew while no supervisor looked.
    fn repair_ports(&mut self) -> Result<(), EbpfError> {
        for (side, netdev) in &self.ports {
            if attachment::find(&self.netlink, netdev, &self.port_role())?.is_none() {
                let program = program::load(self.nic.index)?.port;
                attachment::put(&self.netlink, netdev, &self.port_role(), &program)?;
            }
            if self.target.port(*side)? != netdev.index {
                self.target.set_port(*side, netdev.index)?;
            }
        }
        Ok(())
    }

    fn port_role(&self) -> String {
        attachment::port_of(self.nic.index)
    }

    fn verify(&self) -> Result<(), EbpfError> {
        let program = self.attached(&self.nic, attachment::NIC)?;
        if program != self.program {
            return Err(EbpfError::Detached {
                name: self.nic.name.clone(),
            });
        }
        for (_, netdev) in &self.ports {
            self.attached(netdev, &self.port_role())?;
        }
        Ok(())
    }

    /// The id of the program that is attached to a device which is still the same.
    fn attached(&self, netdev: &Netdev, role: &str) -> Result<u32, EbpfError> {
        let now = find_netdev(&self.netlink, netdev.key, &netdev.name)?;
        match attachment::find(&self.netlink, netdev, role)? {
            Some(found) if now == *netdev => Ok(found.program),
            Some(_) | None => Err(EbpfError::Detached {
                name: netdev.name.clone(),
            }),
        }
    }

    /// Removes what was attached, as far as it is there; the NIC first.
    fn detach(&self) -> Result<(), EbpfError> {
        let mut result = attachment::remove(&self.netlink, &self.nic);
        for (_, netdev) in &self.ports {
            result = result.and(attachment::remove(&self.netlink, netdev));
        }
        result
    }
}

impl Steering for Ebpf {
    fn contract(&self) -> Contract {
        Contract {
            atomic: true,
            make_before_break: true,
            may_lose: false,
            may_double: false,
            in_flight: IN_FLIGHT,
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        Ok(self.target.steer(to)?)
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        self.verify()?;
        Ok(self.target.side()?)
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        Ok(self.detach()?)
    }
}

fn find_netdevs(netlink: &Netlink, config: &EbpfConfig) -> Result<[Netdev; 3], EbpfError> {
    let nic = find_netdev(netlink, "nic", &config.nic)?;
    let a = find_netdev(netlink, "ports.a", &config.ports.a)?;
    let b = find_netdev(netlink, "ports.b", &config.ports.b)?;
    for (one, other) in [(&nic, &a), (&nic, &b), (&a, &b)] {
        if one.index == other.index {
            return Err(EbpfError::Same {
                keys: [one.key, other.key],
                name: one.name.clone(),
            });
        }
    }
    Ok([nic, a, b])
}

fn find_netdev(netlink: &Netlink, key: &'static str, name: &str) -> Result<Netdev, EbpfError> {
    let name = name.to_owned();
    match netlink
        .link_by_name(&name)
        .map_err(Doing::FindDevices.failed())?
    {
        None => Err(EbpfError::Missing { key, name }),
        Some(link) if !link.up => Err(EbpfError::Down { key, name }),
        Some(link) => Ok(Netdev {
            key,
            name,
            index: link.index,
        }),
    }
}
