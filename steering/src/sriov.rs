//! The backends `sriov-mac` and `sriov-vlan`: two VFs of a NIC port, each of which leads to one instance.
//!
//! The NIC delivers to the VF that has the address in use, or the port VLAN in use. A move sets both
//! VFs in one request to the PF's driver, the new one first. Nothing but the VFs' settings holds which
//! side is in use, so that a new supervisor finds it there. What this means for packets in flight, and
//! which drivers do it without a reset of the VF, is in `docs/steering.md`.

mod address;
mod by;
mod config;
mod error;
mod way;

pub use address::Address;
pub(crate) use config::SriovConfig;
pub use config::{SriovMacConfig, SriovVlanConfig, Vlan};
pub use error::{Doing as SriovDoing, SriovError};

use std::time::Duration;
use std::{fs, io};

use self::by::{By, Reading, as_new, back_to};
use crate::netdev::{Netdev, NetdevError};
use crate::netlink::Netlink;
use crate::netlink::vf::{Pf, Statistics, Vf, VfSetting};
use crate::{Contract, Side, Steering, SteeringError, Way};

/// The key of the PF in the configuration.
const KEY: &str = "pf";
/// Drivers that reset a VF whose address or VLAN is set. Source: Linux
/// `drivers/net/ethernet/intel/i40e/i40e_virtchnl_pf.c`, `ice/ice_sriov.c`.
pub const RESETTING: [&str; 2] = ["i40e", "ice"];

/// With the default time in flight.
pub(crate) const CONTRACT: Contract = Contract {
    atomic: false,
    make_before_break: true,
    may_lose: false,
    may_double: true,
    in_flight: Duration::from_millis(1),
};

/// A PF and two of its VFs.
#[derive(Debug)]
pub(crate) struct Sriov {
    netlink: Netlink,
    pf: String,
    vfs: [u32; 2],
    by: By,
    in_flight: Duration,
    /// The port VLAN that each VF was found in.
    vlans: [Option<u16>; 2],
    /// What is given back. `None`: an earlier process found it, and nobody knows it any more.
    found: Option<[Vf; 2]>,
    /// Where this process steered to last, or found that another had.
    last: Option<Side>,
}

impl Sriov {
    /// Finds the VFs and lets them send. Where the NIC delivers to stays as it is.
    pub(crate) fn open(config: SriovConfig) -> Result<Self, SriovError> {
        refuse_same(&config)?;
        let netlink = Netlink::open().map_err(NetdevError::unknown)?;
        Netdev::find(&netlink, KEY, &config.pf)?;
        refuse_resetting(&config.pf, driver(&config.pf).as_deref())?;
        let mut steering = Self {
            netlink,
            pf: config.pf,
            vfs: config.vfs,
            by: config.by,
            in_flight: config.in_flight,
            vlans: [None; 2],
            found: None,
            last: None,
        };
        let vfs = steering.look()?;
        steering.refuse_stacked(&vfs)?;
        steering.last = steering.by.read(&vfs).side();
        steering.vlans = vfs.each_ref().map(way::vlan);
        steering.found = found(steering.by, &vfs);
        let outcome = steering.set(SriovDoing::SetRights, &steering.rights(&vfs));
        if outcome.is_err() {
            // The error that is told is the first.
            let _ = steering.restore(Some(&vfs));
        }
        outcome.map(|()| steering)
    }

    /// Nothing else tells the kernel to put such a VLAN back.
    fn refuse_stacked(&self, vfs: &[Vf; 2]) -> Result<(), SriovError> {
        match vfs.iter().find(|vf| vf.is_8021ad) {
            None => Ok(()),
            Some(vf) => Err(SriovError::Stacked {
                pf: self.pf.clone(),
                vf: vf.number,
            }),
        }
    }

    fn vf(&self, side: Side) -> u32 {
        side.of(self.vfs)
    }

    /// Both VFs as they are, of a PF that is up.
    fn look(&self) -> Result<[Vf; 2], SriovError> {
        let pf = self.look_at_pf(Statistics::Skip)?;
        if pf.up {
            return Ok([self.find(&pf, Side::A)?, self.find(&pf, Side::B)?]);
        }
        let (key, name) = (KEY, self.pf.clone());
        Err(NetdevError::Down { key, name }.into())
    }

    /// The PF, up or not, with all its VFs.
    fn look_at_pf(&self, statistics: Statistics) -> Result<Pf, SriovError> {
        let pf = self.netlink.pf(&self.pf, statistics);
        let pf = pf.map_err(self.failed(SriovDoing::ReadVfs))?;
        let (key, name) = (KEY, self.pf.clone());
        pf.ok_or_else(|| NetdevError::Missing { key, name }.into())
    }

    fn find(&self, pf: &Pf, side: Side) -> Result<Vf, SriovError> {
        let (vf, count) = (self.vf(side), pf.count);
        if let Some(found) = pf.vfs.iter().find(|found| found.number == vf) {
            return Ok(*found);
        }
        let pf = self.pf.clone();
        Err(if vf < count {
            SriovError::Hidden { pf, count }
        } else {
            SriovError::NoVf { pf, vf, count }
        })
    }

    fn side(&self, vfs: &[Vf; 2]) -> Result<Option<Side>, SriovError> {
        let (pf, numbers) = (self.pf.clone(), self.vfs);
        match self.by.read(vfs) {
            Reading::Side(side) => Ok(Some(side)),
            Reading::Neither if self.last.is_none() => Ok(None),
            Reading::Neither => Err(SriovError::Forgotten { pf, vfs: numbers }),
            Reading::Both => Err(SriovError::Twins { pf, vfs: numbers }),
        }
    }

    fn rights(&self, vfs: &[Vf; 2]) -> Vec<(u32, VfSetting)> {
        let of = |vf: &Vf| {
            let number = vf.number;
            let rights = self.by.rights(vf).into_iter();
            rights.map(move |right| (number, right))
        };
        vfs.iter().flat_map(of).collect()
    }

    /// The rights come after the move: there is a driver that resets a VF whose trust it changes.
    fn move_to(&self, to: Side, vfs: &[Vf; 2]) -> Result<(), SriovError> {
        self.set(SriovDoing::Move, &self.by.settings(to, vfs))?;
        self.set(SriovDoing::SetRights, &self.rights(vfs))?;
        if self.by.read(&self.look()?).side() == Some(to) {
            return Ok(());
        }
        Err(SriovError::NotSet {
            pf: self.pf.clone(),
            vf: self.vf(to),
        })
    }

    /// Sets all in one request.
    fn set(&self, doing: SriovDoing, settings: &[(u32, VfSetting)]) -> Result<(), SriovError> {
        if settings.is_empty() {
            return Ok(());
        }
        let outcome = self.netlink.set_vfs(&self.pf, settings);
        outcome.map_err(self.failed(doing))
    }

    /// What a driver has no operation for, nobody has changed.
    fn give_back(&self, vf: u32, setting: VfSetting) -> Result<(), SriovError> {
        match self.netlink.set_vfs(&self.pf, &[(vf, setting)]) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            outcome => outcome.map_err(self.failed(SriovDoing::GiveBack)),
        }
    }

    /// Sets those VFs that there are as they were, the one that was in use first. Where nobody knows that
    /// any more, they get the rights that drivers give new VFs; what is delivered where stays.
    fn restore(&self, were: Option<&[Vf; 2]>) -> Result<(), SriovError> {
        let pf = self.look_at_pf(Statistics::Skip)?;
        let in_use = were.and_then(|vfs| self.by.read(vfs).side());
        let first = in_use.unwrap_or(Side::A);
        let mut result = Ok(());
        for side in [first, first.other()] {
            result = result.and(self.restore_side(side, &pf, were));
        }
        result
    }

    fn restore_side(&self, side: Side, pf: &Pf, were: Option<&[Vf; 2]>) -> Result<(), SriovError> {
        let now = match self.find(pf, side) {
            Err(SriovError::NoVf { .. }) => return Ok(()),
            found => found?,
        };
        let was = match (were, side) {
            (Some([a, _]), Side::A) => *a,
            (Some([_, b]), Side::B) => *b,
            (None, Side::A | Side::B) => as_new(&now),
        };
        let mut result = Ok(());
        for setting in back_to(&was, &now) {
            result = result.and(self.give_back(now.number, setting));
        }
        result
    }

    fn failed(&self, doing: SriovDoing) -> impl FnOnce(io::Error) -> SriovError + use<> {
        let pf = self.pf.clone();
        move |source| SriovError::Failed { doing, pf, source }
    }
}

/// What is to be given back. `None`: an earlier process has moved the VFs. One that died before it did has
/// switched spoof checking off.
fn found(by: By, vfs: &[Vf; 2]) -> Option<[Vf; 2]> {
    let before = |vf: Vf| if vf.spoof_check { vf } else { as_new(&vf) };
    (!by.has_moved(vfs)).then(|| vfs.map(before))
}

/// The name of a PF's driver, if sysfs tells.
fn driver(pf: &str) -> Option<String> {
    let link = fs::read_link(format!("/sys/class/net/{pf}/device/driver")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

fn refuse_resetting(pf: &str, driver: Option<&str>) -> Result<(), SriovError> {
    match driver.filter(|driver| RESETTING.contains(driver)) {
        None => Ok(()),
        Some(driver) => Err(SriovError::Resets {
            pf: pf.to_owned(),
            driver: driver.to_owned(),
        }),
    }
}

fn refuse_same(config: &SriovConfig) -> Result<(), SriovError> {
    if config.vfs[0] == config.vfs[1] {
        let (pf, vf) = (config.pf.clone(), config.vfs[0]);
        return Err(SriovError::SameVf { pf, vf });
    }
    match config.by {
        By::Vlan {
            in_use, at_rest, ..
        } if in_use == at_rest => Err(SriovError::SameVlan { vlan: in_use }),
        By::Vlan { .. } | By::Address(_) => Ok(()),
    }
}

impl Steering for Sriov {
    /// The driver sets one VF after the other.
    fn contract(&self) -> Contract {
        Contract {
            in_flight: self.in_flight,
            ..CONTRACT
        }
    }

    fn steer(&mut self, to: Side) -> Result<(), SteeringError> {
        let vfs = self.look()?;
        let outcome = self.move_to(to, &vfs);
        if outcome.is_ok() {
            self.last = Some(to);
        } else {
            // The error that is told is the first.
            let _ = self.restore(Some(&vfs));
        }
        Ok(outcome?)
    }

    fn current(&self) -> Result<Option<Side>, SteeringError> {
        let vfs = self.look()?;
        if let Some((vf, _)) = self.rights(&vfs).first() {
            let (pf, vf) = (self.pf.clone(), *vf);
            return Err(SriovError::Changed { pf, vf }.into());
        }
        Ok(self.side(&vfs)?)
    }

    /// A driver that does not count shows zero.
    fn delivered(&self, to: Side) -> Option<u64> {
        let pf = self.look_at_pf(Statistics::Read).ok()?;
        let received = self.find(&pf, to).ok()?.received;
        (received > 0).then_some(received)
    }

    fn way(&self, to: Side) -> Option<Way> {
        self.way_to(to)
    }

    fn close(self: Box<Self>) -> Result<(), SteeringError> {
        Ok(self.restore(self.found.as_ref())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_that_reset_a_vf_are_refused_and_others_are_not() {
        for driver in RESETTING {
            let error = refuse_resetting("eth0", Some(driver)).expect_err(driver);
            assert!(error.to_string().contains(driver), "{error}");
        }
        for driver in [None, Some("igb"), Some("ixgbe"), Some("iavf")] {
            assert!(refuse_resetting("eth0", driver).is_ok(), "{driver:?}");
        }
    }
}
