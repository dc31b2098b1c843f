//! The forwarding database of a Linux bridge. Source: Linux `net/bridge/br_fdb.c` (`br_fdb_add`,
//! `fdb_add_entry`, `br_fdb_dump`).

use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Netlink;

/// An address that is behind a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FdbEntry {
    address: Vec<u8>,
    /// In which VLAN, if the bridge tells VLANs apart.
    vlan: Option<u16>,
    /// NUD_REACHABLE for one that was learned, NUD_NOARP for one that does not age.
    state: NeighbourState,
    /// NTF_STICKY and NTF_EXT_LEARNED say whose it is.
    flags: NeighbourFlags,
}

impl Netlink {
    /// The addresses of others behind a port that have not expired.
    pub(crate) fn fdb_of_port(&self, bridge: u32, port: u32) -> io::Result<Vec<FdbEntry>> {
        let mut question = NeighbourMessage::default();
        question.header.family = AddressFamily::Bridge;
        let answers = self.dump(RouteNetlinkMessage::GetNeighbour(question))?;
        let entries = answers
            .into_iter()
            .filter_map(|answer| entry(answer, bridge, port));
        Ok(entries.collect())
    }

    /// Puts an address behind another port: one pointer is written, so that every packet goes to one
    /// of the two.
    pub(crate) fn move_address(&self, entry: &FdbEntry, port: u32) -> io::Result<()> {
        let mut request = NeighbourMessage::default();
        request.header.family = AddressFamily::Bridge;
        request.header.ifindex = port;
        request.header.state = entry.state;
        request.header.flags = entry.flags | NeighbourFlags::Controller;
        request.attributes = vec![NeighbourAttribute::LinkLayerAddress(entry.address.clone())];
        request
            .attributes
            .extend(entry.vlan.map(NeighbourAttribute::Vlan));
        self.change(
            RouteNetlinkMessage::NewNeighbour(request),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }
}

fn entry(answer: RouteNetlinkMessage, bridge: u32, port: u32) -> Option<FdbEntry> {
    let RouteNetlinkMessage::NewNeighbour(neighbour) = answer else {
        return None;
    };
    let header = &neighbour.header;
    let of_bridge = neighbour
        .attributes
        .contains(&NeighbourAttribute::Controller(bridge));
    // NUD_PERMANENT is the port's own address; one that is NUD_STALE has expired.
    let lives = matches!(
        header.state,
        NeighbourState::Reachable | NeighbourState::Noarp
    );
    if header.ifindex != port || !of_bridge || !lives {
        return None;
    }
    let address = neighbour.attributes.iter().find_map(|attribute| {
        if let NeighbourAttribute::LinkLayerAddress(address) = attribute {
            Some(address.clone())
        } else {
            None
        }
    })?;
    let vlan = neighbour.attributes.iter().find_map(|attribute| {
        if let NeighbourAttribute::Vlan(vlan) = attribute {
            Some(*vlan)
        } else {
            None
        }
    });
    Some(FdbEntry {
        address,
        vlan,
        state: header.state,
        flags: header.flags & (NeighbourFlags::Sticky | NeighbourFlags::ExtLearned),
    })
}
