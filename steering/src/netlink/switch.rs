//! Network devices that are ports of a NIC's switch. Source: Linux `net/core/rtnetlink.c`
//! (`rtnl_phys_port_name_fill`, `rtnl_phys_switch_id_fill`), `net/devlink/` (`phys_port_name_get`).

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};

use super::Netlink;

/// A device that is a port of a switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SwitchPort {
    pub(crate) name: String,
    /// The same for all ports of a switch.
    pub(crate) switch: Vec<u8>,
    /// What it is to the switch: `p0` the port to the wire, `pf0vf3` the representor of a VF.
    pub(crate) port: String,
    /// Bus and name of the device that it is a part of, such as `pci` and `0000:03:00.0`.
    pub(crate) parent: (String, String),
}

impl SwitchPort {
    /// Of which VF it is the representor.
    pub(crate) fn vf(&self) -> Option<u32> {
        let (function, vf) = self.port.rsplit_once("vf")?;
        let is_function = function.contains("pf");
        is_function.then(|| vf.parse().ok())?
    }
}

impl Netlink {
    /// All devices that are ports of switches.
    pub(crate) fn switch_ports(&self) -> io::Result<Vec<SwitchPort>> {
        let answers = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let ports = answers.into_iter().filter_map(|answer| {
            if let RouteNetlinkMessage::NewLink(link) = answer {
                Some(as_port(link))
            } else {
                None
            }
        });
        Ok(ports.filter(|port| !port.switch.is_empty()).collect())
    }

    /// A device, and what it is to a switch, if it is a port of one.
    pub(crate) fn switch_port(&self, name: &str) -> io::Result<Option<SwitchPort>> {
        let mut question = LinkMessage::default();
        let name = LinkAttribute::IfName(name.to_owned());
        question.attributes.push(name);
        Ok(self.answer(question)?.map(as_port))
    }
}

fn as_port(link: LinkMessage) -> SwitchPort {
    let mut port = SwitchPort::default();
    for attribute in link.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            port.name = name;
        } else if let LinkAttribute::PhysSwitchId(id) = attribute {
            port.switch = id.id[..id.len].to_vec();
        } else if let LinkAttribute::PhysPortName(name) = attribute {
            port.port = name;
        } else if let LinkAttribute::ParentDevName(name) = attribute {
            port.parent.1 = name;
        } else if let LinkAttribute::ParentDevBusName(name) = attribute {
            port.parent.0 = name;
        }
    }
    port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn representors_of_vfs_are_told_by_their_names() {
        let vf = |port: &str| {
            let port = port.to_owned();
            SwitchPort {
                port,
                ..SwitchPort::default()
            }
            .vf()
        };
        assert_eq!(vf("pf0vf3"), Some(3));
        assert_eq!(vf("c1pf1vf12"), Some(12));
        for other in ["", "p0", "pf0", "pf0sf3", "p0s1", "vf", "pf0vf", "pf0vfx"] {
            assert_eq!(vf(other), None, "{other}");
        }
    }
}
