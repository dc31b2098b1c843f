//! How the PF sends to one of its VFs: the NIC's own switch delivers it.

use super::Sriov;
use super::by::By;
use crate::netlink::vf::{Mac, Statistics, Vf};
use crate::{Side, Way};

impl Sriov {
    /// By what this backend has set, and not by what the VF says of itself: where somebody else has
    /// changed a VF, what is for it does not arrive any more.
    pub(super) fn way_to(&self, to: Side) -> Option<Way> {
        let is_in_use = to == self.last?;
        let (destination, vlan) = match self.by {
            By::Address(address) if is_in_use => (address.0, to.of(self.vlans)),
            By::Address(address) => (address.at_rest(to).0, to.of(self.vlans)),
            By::Vlan {
                in_use,
                at_rest,
                address,
            } => {
                let vlan = if is_in_use { in_use } else { at_rest };
                let own = || self.mac_of(to);
                let mac = address.map(|address| address.0).or_else(own)?;
                (mac, Some(vlan.number()))
            }
        };
        Some(Way {
            netdev: self.pf.clone(),
            destination,
            vlan,
        })
    }

    /// `None`: its driver has chosen none yet.
    fn mac_of(&self, side: Side) -> Option<Mac> {
        let pf = self.look_at_pf(Statistics::Skip).ok()?;
        let mac = self.find(&pf, side).ok()?.mac;
        (mac != Mac::default()).then_some(mac)
    }
}

/// The port VLAN of a VF.
pub(super) fn vlan(vf: &Vf) -> Option<u16> {
    let number = u16::try_from(vf.vlan.number).ok()?;
    (number != 0).then_some(number)
}
