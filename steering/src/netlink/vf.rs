//! Virtual functions, as the driver of their physical function shows and sets them. Source: Linux
//! `net/core/rtnetlink.c` (`rtnl_fill_vfinfo`, `do_setvfinfo`).

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage, LinkVfInfo, VfInfo, VfInfoLinkState,
    VfInfoMac, VfInfoSpoofCheck, VfInfoTrust, VfInfoVlan, VfLinkState, VfStats, VfVlan,
    VlanProtocol,
};

use super::Netlink;

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// A physical function and its VFs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pf {
    pub(crate) up: bool,
    /// The driver has this many; 0 for a device that is no PF.
    pub(crate) count: u32,
    pub(crate) vfs: Vec<Vf>,
}

/// One VF, as its PF's driver remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vf {
    pub(crate) number: u32,
    pub(crate) mac: Mac,
    pub(crate) vlan: PortVlan,
    /// The port VLAN's tag is that of IEEE 802.1ad.
    pub(crate) is_8021ad: bool,
    /// Packets with another source address than the VF's are dropped.
    pub(crate) spoof_check: bool,
    /// The VF may change its own address and be promiscuous.
    pub(crate) trusted: bool,
    pub(crate) link: VfLinkState,
    /// Packets that were delivered to it; 0 if nobody asked, or the driver does not count.
    pub(crate) received: u64,
}

/// The VLAN that a VF is in without seeing a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortVlan {
    /// 0: none.
    pub(crate) number: u32,
    /// The priority of what the VF sends, 0 to 7.
    pub(crate) qos: u32,
}

impl PortVlan {
    /// Of the lowest priority.
    pub(crate) fn new(number: u16) -> Self {
        Self {
            number: number.into(),
            qos: 0,
        }
    }
}

/// What is asked beside the settings of VFs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistics {
    /// Each VF's: some drivers ask the NIC.
    Read,
    Skip,
}

impl Statistics {
    fn mask(self) -> Vec<LinkExtentMask> {
        match self {
            Self::Read => vec![LinkExtentMask::Vf],
            Self::Skip => vec![LinkExtentMask::Vf, LinkExtentMask::SkipStats],
        }
    }
}

/// One thing to be set on a VF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VfSetting {
    Mac(Mac),
    Vlan(PortVlan),
    SpoofCheck(bool),
    Trust(bool),
    Link(VfLinkState),
}

impl Netlink {
    /// A PF and its VFs; `None` if there is no such device.
    pub(crate) fn pf(&self, name: &str, statistics: Statistics) -> io::Result<Option<Pf>> {
        let mut question = LinkMessage::default();
        question.attributes.extend([
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::ExtMask(statistics.mask()),
        ]);
        Ok(self.answer(question)?.map(|link| as_pf(&link)))
    }

    /// Sets VFs in this order, in one request. After an error those before the one that was refused
    /// are set.
    pub(crate) fn set_vfs(&self, pf: &str, settings: &[(u32, VfSetting)]) -> io::Result<()> {
        self.change(RouteNetlinkMessage::SetLink(request(pf, settings)), 0)
    }
}

fn request(pf: &str, settings: &[(u32, VfSetting)]) -> LinkMessage {
    let infos = settings
        .iter()
        .map(|&(vf, setting)| LinkVfInfo(vec![setting.of(vf)]));
    let mut request = LinkMessage::default();
    request.attributes.extend([
        LinkAttribute::IfName(pf.to_owned()),
        LinkAttribute::VfInfoList(infos.collect()),
    ]);
    request
}

impl VfSetting {
    fn of(self, vf: u32) -> VfInfo {
        match self {
            Self::Mac(mac) => VfInfo::Mac(VfInfoMac::new(vf, &mac)),
            Self::Vlan(vlan) => VfInfo::Vlan(VfInfoVlan::new(vf, vlan.number, vlan.qos)),
            Self::SpoofCheck(on) => VfInfo::SpoofCheck(VfInfoSpoofCheck::new(vf, on)),
            Self::Trust(on) => VfInfo::Trust(VfInfoTrust::new(vf, on)),
            Self::Link(state) => VfInfo::LinkState(VfInfoLinkState::new(vf, state)),
        }
    }
}

fn as_pf(link: &LinkMessage) -> Pf {
    let mut pf = Pf {
        up: link.header.flags.contains(LinkFlags::Up),
        count: 0,
        vfs: Vec::new(),
    };
    for attribute in &link.attributes {
        if let LinkAttribute::NumVf(count) = attribute {
            pf.count = *count;
        } else if let LinkAttribute::VfInfoList(vfs) = attribute {
            pf.vfs = vfs.iter().map(as_vf).collect();
        }
    }
    pf
}

fn as_vf(info: &LinkVfInfo) -> Vf {
    let mut vf = Vf::default();
    for attribute in &info.0 {
        read(&mut vf, attribute);
    }
    vf
}

fn read(vf: &mut Vf, attribute: &VfInfo) {
    if let VfInfo::Mac(mac) = attribute {
        vf.number = mac.vf_id;
        vf.mac.copy_from_slice(&mac.mac[..6]);
    } else if let VfInfo::Vlan(vlan) = attribute {
        vf.vlan = PortVlan {
            number: vlan.vlan_id,
            qos: vlan.qos,
        };
    } else if let VfInfo::VlanList(vlans) = attribute {
        vf.is_8021ad = vlans.iter().any(is_8021ad);
    } else if let VfInfo::SpoofCheck(check) = attribute {
        vf.spoof_check = check.enabled;
    } else if let VfInfo::Trust(trust) = attribute {
        vf.trusted = trust.enabled;
    } else if let VfInfo::LinkState(link) = attribute {
        vf.link = link.state;
    } else if let VfInfo::Stats(statistics) = attribute {
        vf.received = received(statistics);
    }
}

fn is_8021ad(vlan: &VfVlan) -> bool {
    if let VfVlan::Info(info) = vlan {
        info.protocol == VlanProtocol::Ieee8021Ad
    } else {
        false
    }
}

fn received(statistics: &[VfStats]) -> u64 {
    let packets = statistics.iter().find_map(|value| {
        if let VfStats::RxPackets(packets) = value {
            Some(*packets)
        } else {
            None
        }
    });
    packets.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, NetlinkMessage};

    use super::*;

    const SERVICE: Mac = [2, 0xaa, 0, 0, 0, 1];
    const REST: Mac = [0x62, 0xaa, 0, 0, 0, 1];

    /// An attribute as the kernel reads it: length and type, value, padding.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// `struct ifla_vf_mac`: the VF's number, and 32 bytes for the address.
    fn ifla_vf_mac(vf: u32, mac: Mac) -> Vec<u8> {
        let mut bytes = vf.to_ne_bytes().to_vec();
        bytes.extend(mac);
        bytes.resize(36, 0);
        bytes
    }

    /// `struct ifla_vf_vlan_info`: VF, VLAN and priority, and the protocol in network byte order.
    fn ifla_vf_vlan_info(vf: u32, vlan: u32, qos: u32, protocol: u16) -> Vec<u8> {
        let mut bytes = [vf, vlan, qos].map(u32::to_ne_bytes).concat();
        bytes.extend(protocol.to_be_bytes());
        bytes.resize(16, 0);
        bytes
    }

    /// Values of the enumerations in `include/uapi/linux/if_link.h`.
    const IFLA_IFNAME: u16 = 3;
    const IFLA_VFINFO_LIST: u16 = 22;
    const IFLA_VF_INFO: u16 = 1;
    const IFLA_VF_MAC: u16 = 1;
    const IFLA_VF_VLAN: u16 = 2;

    #[test]
    fn two_addresses_are_one_request_in_order() {
        let settings = [(1, VfSetting::Mac(SERVICE)), (0, VfSetting::Mac(REST))];
        let of = |vf, mac| attribute(IFLA_VF_INFO, &attribute(IFLA_VF_MAC, &ifla_vf_mac(vf, mac)));
        let list = [of(1, SERVICE), of(0, REST)].concat();
        let expected = [
            attribute(IFLA_IFNAME, b"eth0\0"),
            attribute(IFLA_VFINFO_LIST, &list),
        ];
        assert_eq!(after_ifinfomsg(&settings), expected.concat());
    }

    #[test]
    fn two_vlans_are_one_request_in_order() {
        let vlan = |number, qos| VfSetting::Vlan(PortVlan { number, qos });
        let settings = [(0, vlan(100, 0)), (1, vlan(4094, 3))];
        let of = |vf: u32, vlan: u32, qos: u32| {
            let value = [vf, vlan, qos].map(u32::to_ne_bytes).concat();
            attribute(IFLA_VF_INFO, &attribute(IFLA_VF_VLAN, &value))
        };
        let list = [of(0, 100, 0), of(1, 4094, 3)].concat();
        let bytes = after_ifinfomsg(&settings);
        assert!(bytes.ends_with(&attribute(IFLA_VFINFO_LIST, &list)));
    }

    /// What follows the header `struct ifinfomsg` (16 bytes).
    fn after_ifinfomsg(settings: &[(u32, VfSetting)]) -> Vec<u8> {
        let request = request("eth0", settings);
        let mut bytes = vec![0; request.buffer_len()];
        request.emit(&mut bytes);
        bytes.split_off(16)
    }

    /// An answer as `rtnl_fill_vf` writes it.
    #[test]
    fn what_the_driver_shows_is_read() {
        let of = |kind, vf: u32, value: u32| {
            attribute(kind, &[vf, value].map(u32::to_ne_bytes).concat())
        };
        let unknown = u32::MAX;
        let vf = [
            attribute(IFLA_VF_MAC, &ifla_vf_mac(3, SERVICE)),
            attribute(IFLA_VF_VLAN, &[3u32, 100, 5].map(u32::to_ne_bytes).concat()),
            attribute(12, &attribute(1, &ifla_vf_vlan_info(3, 100, 5, 0x88a8))),
            of(4, 3, 1),
            of(5, 3, 2),
            of(9, 3, unknown),
            attribute(8, &attribute(0, &7u64.to_ne_bytes())),
        ];
        let attributes = [
            attribute(21, &1u32.to_ne_bytes()),
            attribute(IFLA_VFINFO_LIST, &attribute(IFLA_VF_INFO, &vf.concat())),
        ];
        let pf = as_pf(&new_link(&attributes.concat()));
        let expected = Vf {
            number: 3,
            mac: SERVICE,
            vlan: PortVlan {
                number: 100,
                qos: 5,
            },
            is_8021ad: true,
            spoof_check: true,
            trusted: false,
            link: VfLinkState::Disable,
            received: 7,
        };
        assert_eq!((pf.count, pf.vfs), (1, vec![expected]));
    }

    fn new_link(attributes: &[u8]) -> LinkMessage {
        const RTM_NEWLINK: u16 = 16;
        let length = u32::try_from(32 + attributes.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(RTM_NEWLINK.to_ne_bytes());
        bytes.resize(32, 0);
        bytes.extend(attributes);
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes).unwrap();
        let netlink_packet_core::NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) =
            message.payload
        else {
            panic!("a link")
        };
        link
    }
}
