//! Ports of a Linux bridge. Source: Linux `net/bridge/br_netlink.c` (`br_port_fill_attrs`, `br_setport`).

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    BridgeMulticastRouterType, BridgePortState, InfoBridgePort, InfoPortData, InfoPortKind,
    LinkAttribute, LinkInfo, LinkMessage,
};

use super::Netlink;

/// A port as its bridge has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgePort {
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
    /// It is given packets to groups, whoever has joined them.
    pub(crate) all_groups: bool,
}

impl Netlink {
    /// What a device is to its bridge; `None` if it is gone, or no port of a bridge.
    pub(crate) fn bridge_port(&self, index: u32) -> io::Result<Option<BridgePort>> {
        let mut question = LinkMessage::default();
        question.header.index = index;
        Ok(self.answer(question)?.and_then(as_port))
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
        let router = match (self.flood, self.all_groups) {
            (_, true) => BridgeMulticastRouterType::Permanent,
            (true, false) => BridgeMulticastRouterType::TempQuery,
            (false, false) => BridgeMulticastRouterType::Disabled,
        };
        vec![
            InfoBridgePort::Learning(self.learning),
            InfoBridgePort::UnicastFlood(self.flood),
            InfoBridgePort::MulticastFlood(self.flood),
            InfoBridgePort::BroadcastFlood(self.flood),
            InfoBridgePort::MulticastRouter(router),
        ]
    }

    /// Flooded with one kind of packets is flooded.
    fn of(attributes: &[InfoBridgePort]) -> Self {
        use InfoBridgePort::{
            BroadcastFlood, Learning, MulticastFlood, MulticastRouter, UnicastFlood,
        };
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
            all_groups: has(MulticastRouter(BridgeMulticastRouterType::Permanent)),
        }
    }
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
