//! By what the NIC tells the VF in use from the one at rest.

use netlink_packet_route::link::VfLinkState;

use super::{Address, Vlan};
use crate::Side;
use crate::netlink::vf::{PortVlan, Vf, VfSetting};

/// What is moved from VF to VF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The address in use; the VF at rest has another.
    Address(Address),
    /// The port VLAN in use; the VF at rest has another.
    Vlan {
        in_use: Vlan,
        at_rest: Vlan,
        /// The address of both.
        address: Option<Address>,
    },
}

/// What two VFs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// This side is in use.
    Side(Side),
    Neither,
    Both,
}

impl Reading {
    pub(super) fn side(self) -> Option<Side> {
        match self {
            Self::Side(side) => Some(side),
            Self::Neither | Self::Both => None,
        }
    }
}

impl By {
    /// Which of the two VFs is in use.
    pub(super) fn read(self, [a, b]: &[Vf; 2]) -> Reading {
        match (self.serves(a), self.serves(b)) {
            (true, false) => Reading::Side(Side::A),
            (false, true) => Reading::Side(Side::B),
            (false, false) => Reading::Neither,
            (true, true) => Reading::Both,
        }
    }

    /// A move left one of them like this.
    pub(super) fn has_moved(self, vfs: &[Vf; 2]) -> bool {
        vfs.iter().any(|vf| match self {
            Self::Address(address) => {
                let at_rest = Side::BOTH.map(|side| address.at_rest(side));
                vf.mac == address.0 || at_rest.contains(&Address(vf.mac))
            }
            Self::Vlan {
                in_use, at_rest, ..
            } => [in_use, at_rest]
                .map(Vlan::number)
                .map(u32::from)
                .contains(&vf.vlan.number),
        })
    }

    /// What a VF needs beside, whether it is in use or not.
    ///
    /// Both VFs send from the address in use while one is drained, and many guests' addresses are no
    /// VF's own: spoof checking would drop all that. A trusted VF could take the address in use back,
    /// as drivers set the address that they know when they start; but promiscuous may only be a
    /// trusted one.
    pub(super) fn rights(self, vf: &Vf) -> Vec<VfSetting> {
        let trust = self.needs_trust();
        let check = vf.spoof_check.then_some(VfSetting::SpoofCheck(false));
        let trust = (vf.trusted != trust).then_some(VfSetting::Trust(trust));
        let link = (vf.link == VfLinkState::Disable).then_some(VfSetting::Link(VfLinkState::Auto));
        [check, trust, link].into_iter().flatten().collect()
    }

    /// What is to be set, in this order, so that one side is in use and the other at rest. What is
    /// already so is left alone.
    pub(super) fn settings(self, to: Side, vfs: &[Vf; 2]) -> Vec<(u32, VfSetting)> {
        let [new, old] = match to {
            Side::A => [&vfs[0], &vfs[1]],
            Side::B => [&vfs[1], &vfs[0]],
        };
        let all = match self {
            Self::Address(address) => vec![
                (new, VfSetting::Mac(address.0)),
                (old, VfSetting::Mac(address.at_rest(to.other()).0)),
            ],
            Self::Vlan {
                in_use,
                at_rest,
                address,
            } => {
                let addresses = address
                    .into_iter()
                    .flat_map(|address| [new, old].map(|vf| (vf, VfSetting::Mac(address.0))));
                let vlans = [(new, in_use), (old, at_rest)]
                    .map(|(vf, vlan)| (vf, VfSetting::Vlan(PortVlan::new(vlan.number()))));
                addresses.chain(vlans).collect()
            }
        };
        let lacking = all.into_iter().filter(|(vf, setting)| !has(vf, *setting));
        lacking.map(|(vf, setting)| (vf.number, setting)).collect()
    }

    fn serves(self, vf: &Vf) -> bool {
        match self {
            Self::Address(address) => vf.mac == address.0,
            Self::Vlan {
                in_use, address, ..
            } => {
                vf.vlan.number == u32::from(in_use.number())
                    && address.is_none_or(|address| vf.mac == address.0)
            }
        }
    }

    fn needs_trust(self) -> bool {
        match self {
            Self::Address(_) => false,
            Self::Vlan { address, .. } => address.is_none(),
        }
    }
}

/// What is to be set on a VF that is `now` so that it is as it `was`.
pub(super) fn back_to(was: &Vf, now: &Vf) -> Vec<VfSetting> {
    let mut all = vec![
        VfSetting::Vlan(was.vlan),
        VfSetting::Mac(was.mac),
        VfSetting::SpoofCheck(was.spoof_check),
        VfSetting::Trust(was.trusted),
        VfSetting::Link(was.link),
    ];
    all.retain(|setting| !has(now, *setting));
    all
}

/// With the rights that drivers give new VFs.
pub(super) fn as_new(vf: &Vf) -> Vf {
    Vf {
        spoof_check: true,
        trusted: false,
        ..*vf
    }
}

/// A VF is already as it is to be set.
fn has(vf: &Vf, setting: VfSetting) -> bool {
    match setting {
        VfSetting::Mac(mac) => vf.mac == mac,
        VfSetting::Vlan(vlan) => vf.vlan == vlan,
        VfSetting::SpoofCheck(on) => vf.spoof_check == on,
        VfSetting::Trust(on) => vf.trusted == on,
        VfSetting::Link(state) => vf.link == state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: [u8; 6] = [2, 0xaa, 0, 0, 0, 1];

    fn address() -> Address {
        Address::new(SERVICE).unwrap()
    }

    fn by_vlan(address: Option<Address>) -> By {
        By::Vlan {
            in_use: Vlan::new(100).unwrap(),
            at_rest: Vlan::new(4094).unwrap(),
            address,
        }
    }

    /// VFs as the kernel makes them, with numbers that are not those of their sides.
    fn fresh() -> [Vf; 2] {
        [5, 2].map(|number| Vf {
            number,
            spoof_check: true,
            ..Vf::default()
        })
    }

    fn apply(mut vfs: [Vf; 2], settings: &[(u32, VfSetting)]) -> [Vf; 2] {
        for (number, setting) in settings {
            let vf = vfs.iter_mut().find(|vf| vf.number == *number).unwrap();
            match *setting {
                VfSetting::Mac(mac) => vf.mac = mac,
                VfSetting::Vlan(vlan) => vf.vlan = vlan,
                VfSetting::SpoofCheck(on) => vf.spoof_check = on,
                VfSetting::Trust(on) => vf.trusted = on,
                VfSetting::Link(state) => vf.link = state,
            }
        }
        vfs
    }

    #[test]
    fn each_move_is_read_back_and_needs_nothing_more() {
        for by in [
            By::Address(address()),
            by_vlan(None),
            by_vlan(Some(address())),
        ] {
            let mut vfs = fresh();
            assert_eq!(by.read(&vfs), Reading::Neither);
            assert!(!by.has_moved(&vfs), "{by:?}");
            for side in [Side::A, Side::B, Side::A] {
                vfs = apply(vfs, &by.settings(side, &vfs));
                assert_eq!(by.read(&vfs), Reading::Side(side), "{by:?}");
                assert_eq!(by.settings(side, &vfs), []);
                assert!(by.has_moved(&vfs), "{by:?}");
            }
        }
    }

    /// At every step between the settings of a move at least one VF is in use.
    #[test]
    fn make_comes_before_break() {
        for by in [By::Address(address()), by_vlan(None)] {
            let vfs = apply(fresh(), &by.settings(Side::A, &fresh()));
            let settings = by.settings(Side::B, &vfs);
            assert_eq!(
                settings.iter().map(|(vf, _)| *vf).collect::<Vec<_>>(),
                [2, 5]
            );
            let vfs = apply(vfs, &settings[..1]);
            assert_eq!(by.read(&vfs), Reading::Both, "{by:?}");
        }
    }

    /// The driver took the address for the new VF and refused the other: only the new one is set back.
    #[test]
    fn a_move_that_was_cut_short_is_undone_without_the_vf_that_refused() {
        let by = By::Address(address());
        let before = apply(fresh(), &by.settings(Side::A, &fresh()));
        let [a, b] = apply(before, &by.settings(Side::B, &before)[..1]);
        assert_eq!(back_to(&before[0], &a), []);
        let at_rest = VfSetting::Mac(address().at_rest(Side::B).0);
        assert_eq!(back_to(&before[1], &b), [at_rest]);
    }

    #[test]
    fn the_addresses_come_before_the_vlans() {
        let settings = by_vlan(Some(address())).settings(Side::A, &fresh());
        let expected = [
            (5, VfSetting::Mac(SERVICE)),
            (2, VfSetting::Mac(SERVICE)),
            (5, VfSetting::Vlan(PortVlan::new(100))),
            (2, VfSetting::Vlan(PortVlan::new(4094))),
        ];
        assert_eq!(settings, expected);
    }

    #[test]
    fn rights_are_what_sending_needs_and_no_more() {
        let down = Vf {
            link: VfLinkState::Disable,
            spoof_check: true,
            trusted: true,
            ..Vf::default()
        };
        let unchecked = VfSetting::SpoofCheck(false);
        let link = VfSetting::Link(VfLinkState::Auto);
        let of_address = By::Address(address()).rights(&down);
        assert_eq!(of_address, [unchecked, VfSetting::Trust(false), link]);
        assert_eq!(by_vlan(None).rights(&down), [unchecked, link]);
        let fresh = fresh()[0];
        let of_vlan = by_vlan(None).rights(&fresh);
        assert_eq!(of_vlan, [unchecked, VfSetting::Trust(true)]);
        assert_eq!(by_vlan(Some(address())).rights(&fresh), [unchecked]);
    }
}
