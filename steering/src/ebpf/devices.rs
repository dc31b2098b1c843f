//! The three network devices of the software NIC.

use std::cell::Cell;

use super::EbpfConfig;
use super::attachment;
use super::error::{Doing, EbpfError};
use super::label::Role;
use super::program::Program;
use crate::Side;
use crate::netdev::{Netdev, NetdevError};
use crate::netlink::Netlink;
use crate::netlink::changes::Changes;

/// The NIC and the ports, in the network namespace in which they were found.
#[derive(Debug)]
pub(super) struct Devices {
    netlink: Netlink,
    changes: Changes,
    /// Nothing has changed since the devices were found in order.
    verified: Cell<bool>,
    pub(super) nic: Netdev,
    pub(super) ports: [(Side, Netdev); 2],
}

impl Devices {
    /// Looks the configured devices up; each must exist, be up, and be another.
    pub(super) fn find(config: &EbpfConfig) -> Result<Self, EbpfError> {
        let netlink = Netlink::open().map_err(Doing::OpenNetlink.failed())?;
        let changes = Changes::open().map_err(Doing::OpenNetlink.failed())?;
        let nic = Netdev::find(&netlink, "nic", &config.nic)?;
        let a = Netdev::find(&netlink, "ports.a", &config.ports.a)?;
        let b = Netdev::find(&netlink, "ports.b", &config.ports.b)?;
        for (one, other) in [(&nic, &a), (&nic, &b), (&a, &b)] {
            one.must_differ(other)?;
        }
        Ok(Self {
            netlink,
            changes,
            verified: Cell::new(false),
            nic,
            ports: [(Side::A, a), (Side::B, b)],
        })
    }

    /// The id of the program on the NIC, if the software NIC is installed.
    pub(super) fn installed(&self) -> Result<Option<u32>, EbpfError> {
        attachment::find(&self.netlink, &self.nic, Role::Nic)
    }

    /// Attaches the NIC's program: from here on it steers.
    pub(super) fn attach_nic(&self, program: &Program) -> Result<(), EbpfError> {
        attachment::put(&self.netlink, &self.nic, Role::Nic, program)
    }

    /// Is the port part of the software NIC?
    pub(super) fn has_port(&self, port: &Netdev) -> Result<bool, EbpfError> {
        Ok(attachment::find(&self.netlink, port, self.port_role())?.is_some())
    }

    /// Attaches a port's program: from here on the port reaches the wire.
    pub(super) fn attach_port(&self, port: &Netdev, program: &Program) -> Result<(), EbpfError> {
        attachment::put(&self.netlink, port, self.port_role(), program)
    }

    /// The name of the device with an interface index, if there is one.
    pub(super) fn name_of(&self, index: u32) -> Result<Option<String>, EbpfError> {
        let link = self
            .netlink
            .link_by_index(index)
            .map_err(NetdevError::unknown)?;
        Ok(link.map(|link| link.name))
    }

    /// That leads to the instance of a side.
    pub(super) fn port(&self, side: Side) -> &Netdev {
        &side.of(self.ports.each_ref()).1
    }

    /// Packets that the port of a side has sent towards its instance; `None` if it is gone.
    pub(super) fn sent_by_port(&self, side: Side) -> Option<u64> {
        let index = self.port(side).index;
        self.netlink.packets_sent(index).ok().flatten()
    }

    /// The devices are those that were found, and on the NIC is still this program. Looks only if the
    /// kernel has told of a change, of whatever device, since it last looked and all was in order.
    pub(super) fn verify(&self, program: u32) -> Result<(), EbpfError> {
        if self.changes.any() {
            self.verified.set(false);
        }
        if !self.verified.get() {
            self.verify_all(program)?;
            self.verified.set(true);
        }
        Ok(())
    }

    fn verify_all(&self, program: u32) -> Result<(), EbpfError> {
        self.verify_one(&self.nic, |_| Ok(self.installed()? == Some(program)))?;
        self.ports
            .iter()
            .try_for_each(|(_, port)| self.verify_one(port, |p| self.has_port(p)))
    }

    fn verify_one(
        &self,
        device: &Netdev,
        is_attached: impl FnOnce(&Netdev) -> Result<bool, EbpfError>,
    ) -> Result<(), EbpfError> {
        let now = Netdev::find(&self.netlink, device.key, &device.name)?;
        if now == *device && is_attached(device)? {
            return Ok(());
        }
        Err(EbpfError::Detached {
            name: device.name.clone(),
        })
    }

    /// Removes what is attached, the NIC's first; all is tried, and the first error told.
    pub(super) fn detach(&self) -> Result<(), EbpfError> {
        let mut result = attachment::remove(&self.netlink, &self.nic, Role::Nic);
        for (_, port) in &self.ports {
            result = result.and(attachment::remove(&self.netlink, port, self.port_role()));
        }
        result
    }

    fn port_role(&self) -> Role {
        Role::PortOf(self.nic.index)
    }
}
