//! The network devices: the port to the wire, and the representors of the instances' VFs.

use std::io;

use super::config::{Representors, TcFlowerConfig};
use super::error::{Doing, TcFlowerError};
use crate::Side;
use crate::netdev::{Netdev, NetdevError};
use crate::netlink::Netlink;
use crate::netlink::devlink::Devlink;
use crate::netlink::switch::SwitchPort;

/// The names of the devices. Whoever has such a name now is asked for each time, for representors may
/// be made anew.
#[derive(Clone, Debug)]
pub(super) struct Names {
    uplink: String,
    /// With the keys of the configuration.
    ports: [(&'static str, String); 2],
}

/// The devices that exist now.
#[derive(Clone, Debug)]
pub(super) struct Devices {
    /// It is up.
    pub(super) uplink: Netdev,
    ports: [Option<Netdev>; 2],
}

impl Devices {
    /// Up or not; `None`: it is gone.
    pub(super) fn port(&self, side: Side) -> Option<&Netdev> {
        side.of(self.ports.each_ref()).as_ref()
    }
}

impl Names {
    /// Finds out which devices are meant, and whether the NIC carries out rules if it is to.
    pub(super) fn find(netlink: &Netlink, config: &TcFlowerConfig) -> Result<Self, TcFlowerError> {
        let uplink = config.uplink.clone();
        Netdev::find(netlink, "uplink", &uplink)?;
        if config.hardware {
            refuse_legacy(netlink, &uplink)?;
        }
        let ports = match &config.representors {
            Representors::Ports(ports) => {
                [("ports.a", ports.a.clone()), ("ports.b", ports.b.clone())]
            }
            Representors::Vfs([a, b]) => [
                ("vfs", representor(netlink, &uplink, *a)?),
                ("vfs", representor(netlink, &uplink, *b)?),
            ],
        };
        Ok(Self { uplink, ports })
    }

    /// Up or not; `None`: it is gone.
    pub(super) fn existing_uplink(&self, netlink: &Netlink) -> Result<Option<Netdev>, NetdevError> {
        Netdev::existing(netlink, "uplink", &self.uplink)
    }

    /// Up or not; `None`: it is gone.
    pub(super) fn existing_port(
        &self,
        netlink: &Netlink,
        side: Side,
    ) -> Result<Option<Netdev>, NetdevError> {
        let (key, name) = self.name(side);
        Netdev::existing(netlink, key, name)
    }

    /// The device of a side that is to receive: it must exist and be up.
    pub(super) fn port(&self, netlink: &Netlink, side: Side) -> Result<Netdev, NetdevError> {
        let (key, name) = self.name(side);
        Netdev::find(netlink, key, name)
    }

    /// The uplink, which must be up, and the ports that exist, each of which must be another.
    pub(super) fn devices(&self, netlink: &Netlink) -> Result<Devices, NetdevError> {
        let uplink = Netdev::find(netlink, "uplink", &self.uplink)?;
        let a = self.existing_port(netlink, Side::A)?;
        let b = self.existing_port(netlink, Side::B)?;
        for port in [&a, &b].into_iter().flatten() {
            uplink.must_differ(port)?;
        }
        if let (Some(a), Some(b)) = (&a, &b) {
            a.must_differ(b)?;
        }
        let ports = [a, b];
        Ok(Devices { uplink, ports })
    }

    /// What the device of a side is called.
    pub(super) fn of_port(&self, side: Side) -> &str {
        self.name(side).1
    }

    fn name(&self, side: Side) -> (&'static str, &str) {
        let (key, name) = side.of(self.ports.each_ref());
        (key, name)
    }
}

fn refuse_legacy(netlink: &Netlink, uplink: &str) -> Result<(), TcFlowerError> {
    let (bus, device) = switch_port(netlink, uplink)?.parent;
    let is_switchdev = Devlink::open().and_then(|devlink| devlink.is_switchdev(&bus, &device));
    let uplink = uplink.to_owned();
    match is_switchdev {
        Ok(true) => Ok(()),
        Ok(false) => Err(TcFlowerError::Legacy {
            uplink,
            device: format!("{bus}/{device}"),
        }),
        Err(source) => Err(TcFlowerError::NoSwitch { uplink, source }),
    }
}

/// The representor of a VF belongs to the same switch and to the same PF as the port to the wire.
fn representor(netlink: &Netlink, uplink: &str, vf: u32) -> Result<String, TcFlowerError> {
    let port = switch_port(netlink, uplink)?;
    let all = netlink.switch_ports().map_err(failed(uplink))?;
    let is_meant = |one: &SwitchPort| {
        one.vf() == Some(vf) && one.switch == port.switch && one.parent == port.parent
    };
    let mut names: Vec<_> = all
        .into_iter()
        .filter(is_meant)
        .map(|one| one.name)
        .collect();
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        (Some(name), false) => {
            names.push(name);
            Err(TcFlowerError::Ambiguous { vf, names })
        }
        (None, _) => {
            let uplink = uplink.to_owned();
            Err(TcFlowerError::NoRepresentor { uplink, vf })
        }
    }
}

fn switch_port(netlink: &Netlink, uplink: &str) -> Result<SwitchPort, TcFlowerError> {
    let port = netlink.switch_port(uplink).map_err(failed(uplink))?;
    port.ok_or_else(|| {
        let name = uplink.to_owned();
        NetdevError::Missing {
            key: "uplink",
            name,
        }
        .into()
    })
}

fn failed(uplink: &str) -> impl FnOnce(io::Error) -> TcFlowerError + use<> {
    let device = uplink.to_owned();
    move |source| TcFlowerError::Failed {
        doing: Doing::ReadSwitch,
        device,
        source,
    }
}
