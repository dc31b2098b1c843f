//! Ports of a Linux bridge. Source: Linux `net/bridge/br_netlink.c` (`br_port_fill_attrs`, `br_setport`).

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgePortState, InfoBridge, InfoBridgePort, InfoData, InfoPortData, InfoPortKind,
    LinkAttribute, LinkInfo, LinkMessage,
};

use super::Netlink;

/// A port as its bridge has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgePort {
    /// Interface index of the port's device.
    pub(crate) index: u32,
    /// Interface index of the bridge.
    pub(crate) bridge: u32,
    /// The spanning tree's, or whatever else decides, lets packets through.
    pub(crate) forwards: bool,
    pub(crate) flags: PortFlags,
}

/// What a bridge does with a port beside delivering to addresses that it knows behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortFlags {
    /// Source addresses that come in by it are learned.
    pub(crate) learning: bool,
    /// It is given packets to everybody, to unknown addresses and to groups.
    pub(crate) flood: bool,
}

impl Netlink {
    /// What a device is to its bridge; `None` if there is no such device, or it is no port of a bridge.
    pub(crate) fn bridge_port(&self, name: &str) -> io::Result<Option<BridgePort>> {
        let mut question = LinkMessage::default();
        let name = LinkAttribute::IfName(name.to_owned());
        question.attributes.push(name);
        Ok(self.answer(question)?.and_then(as_port))
    }

    /// Whether a bridge gives groups only to those who have joined them.
    pub(crate) fn snoops(&self, bridge: u32) -> io::Result<bool> {
        let mut question = LinkMessage::default();
        question.header.index = bridge;
        Ok(self.answer(question)?.is_some_and(|link| snoops(&link)))
    }

    /// Sets a port's flags, all in one request.
    pub(crate) fn set_port_flags(&self, index: u32, flags: PortFlags) -> io::Result<()> {
        let mut request = LinkMessage::default();
        request.header.index = index;
        request.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(flags.attributes())),
        ]));
        self.change(RouteNetlinkMessage::NewLink(request), 0)
    }
}

impl PortFlags {
    fn attributes(self) -> Vec<InfoBridgePort> {
        vec![
            InfoBridgePort::Learning(self.learning),
            InfoBridgePort::UnicastFlood(self.flood),
            InfoBridgePort::MulticastFlood(self.flood),
            InfoBridgePort::BroadcastFlood(self.flood),
        ]
    }

    /// Flooded with one kind of packets is flooded.
    fn of(attributes: &[InfoBridgePort]) -> Self {
        use InfoBridgePort::{BroadcastFlood, Learning, MulticastFlood, UnicastFlood};
        let has = |wanted: InfoBridgePort| attributes.contains(&wanted);
        Self {
            learning: has(Learning(true)),
            flood: [
                UnicastFlood(true),
                MulticastFlood(true),
                BroadcastFlood(true),
            ]
            .into_iter()
            .any(has),
        }
    }
}

fn snoops(bridge: &LinkMessage) -> bool {
    let infos = bridge.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::LinkInfo(infos) = attribute {
            Some(infos)
        } else {
            None
        }
    });
    infos.into_iter().flatten().any(|info| {
        if let LinkInfo::Data(InfoData::Bridge(attributes)) = info {
            attributes.contains(&InfoBridge::MulticastSnooping(true))
        } else {
            false
        }
    })
}

fn as_port(link: LinkMessage) -> Option<BridgePort> {
    let bridge = link.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::Controller(bridge) = attribute {
            Some(*bridge)
        } else {
            None
        }
    })?;
    let attributes = link.attributes.iter().find_map(port_attributes)?;
    Some(BridgePort {
        index: link.header.index,
        bridge,
        forwards: attributes.contains(&InfoBridgePort::State(BridgePortState::Forwarding)),
        flags: PortFlags::of(attributes),
    })
}

fn port_attributes(attribute: &LinkAttribute) -> Option<&[InfoBridgePort]> {
    let LinkAttribute::LinkInfo(infos) = attribute else {
        return None;
    };
    infos.iter().find_map(|info| {
        if let LinkInfo::PortData(InfoPortData::BridgePort(attributes)) = info {
            Some(attributes.as_slice())
        } else {
            None
        }
    })
}
