//! A physical function: a NIC's port that has VFs, by its network device.

use super::{Function, PciAddress, PciError, Sysfs};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// IFF_UP of `include/uapi/linux/if.h`.
const IFF_UP: u32 = 1;
/// Between two looks at a carrier.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A network device that is a PCI function.
#[derive(Debug)]
pub(crate) struct Pf<'s> {
    sysfs: &'s Sysfs,
    netdev: String,
    function: Function<'s>,
}

impl<'s> Pf<'s> {
    /// # Errors
    /// [`PciError::NoNetdev`], [`PciError::NotPci`].
    pub(crate) fn find(sysfs: &'s Sysfs, netdev: &str) -> Result<Self, PciError> {
        let directory = format!("sys/class/net/{netdev}");
        if !sysfs.exists(&directory) {
            return Err(PciError::NoNetdev(netdev.to_owned()));
        }
        let device = sysfs.link_name(&format!("{directory}/device"));
        let address = device.and_then(|name| PciAddress::parse(&name));
        let address = address.ok_or_else(|| PciError::NotPci(netdev.to_owned()))?;
        Ok(Self {
            sysfs,
            netdev: netdev.to_owned(),
            function: Function::new(sysfs, address),
        })
    }

    /// All of this host that can have VFs.
    pub(crate) fn all(sysfs: &'s Sysfs) -> Vec<Self> {
        let netdevs = sysfs.names("sys/class/net").into_iter();
        let found = netdevs.filter_map(|netdev| Self::find(sysfs, &netdev).ok());
        found.filter(|pf| pf.total_vfs().is_some()).collect()
    }

    pub(crate) fn netdev(&self) -> &str {
        &self.netdev
    }

    pub(crate) fn address(&self) -> &PciAddress {
        self.function.address()
    }

    pub(crate) fn driver(&self) -> String {
        let driver = self.function.driver();
        driver.unwrap_or_else(|| "none".to_owned())
    }

    /// How many VFs it can have. `None`: no SR-IOV.
    pub(crate) fn total_vfs(&self) -> Option<u16> {
        let total = self.sysfs.number(&self.device("sriov_totalvfs"));
        total.filter(|&total| total > 0)
    }

    /// How many VFs it has. They are counted, because `sriov_numvfs` cannot be read while somebody is
    /// removing VFs and the kernel waits for a process that has one of them open
    /// (`sriov_numvfs_show`, Linux `drivers/pci/iov.c`): that would be until the instance ends, for
    /// which the supervisor is needed.
    pub(crate) fn vfs(&self) -> u16 {
        u16::try_from(self.vf_addresses().len()).unwrap_or(u16::MAX)
    }

    /// The addresses of its VFs.
    pub(super) fn vf_addresses(&self) -> Vec<PciAddress> {
        let files = self.sysfs.names(&self.device("")).into_iter();
        let links = files.filter(|name| name.starts_with("virtfn"));
        let names = links.filter_map(|link| self.sysfs.link_name(&self.device(&link)));
        names.filter_map(|name| PciAddress::parse(&name)).collect()
    }

    /// The address of one of its VFs.
    pub(crate) fn vf(&self, number: u16) -> Option<PciAddress> {
        let name = self
            .sysfs
            .link_name(&self.device(&format!("virtfn{number}")))?;
        PciAddress::parse(&name)
    }

    /// New VFs get a driver of the kernel.
    pub(super) fn autoprobe(&self) -> Option<bool> {
        let digit: u8 = self.sysfs.number(&self.device("sriov_drivers_autoprobe"))?;
        Some(digit != 0)
    }

    pub(super) fn set_autoprobe(&self, on: bool) -> Result<(), PciError> {
        let digit = if on { "1" } else { "0" };
        self.sysfs
            .write(&self.device("sriov_drivers_autoprobe"), digit)
    }

    /// From none to some, or from some to none: nothing else is possible. The driver resets the PF.
    pub(super) fn set_vfs(&self, number: u16) -> Result<(), PciError> {
        let file = self.device("sriov_numvfs");
        self.sysfs.write(&file, &number.to_string())
    }

    /// It is switched on.
    pub(crate) fn is_up(&self) -> bool {
        self.flags() & IFF_UP != 0
    }

    pub(super) fn set_up(&self, up: bool) -> Result<(), PciError> {
        let flags = if up {
            self.flags() | IFF_UP
        } else {
            self.flags() & !IFF_UP
        };
        self.sysfs.write(&self.net("flags"), &format!("{flags:#x}"))
    }

    /// It has a link partner. Asked by `operstate`, since `carrier` waits for the lock of all network
    /// devices (`carrier_show`, Linux `net/core/net-sysfs.c`), which somebody may have for seconds. A driver
    /// that says nothing of it has one (`Documentation/networking/operstates.rst`).
    pub(crate) fn has_carrier(&self) -> bool {
        let state = self.sysfs.read(&self.net("operstate"));
        state.is_some_and(|state| state == "up" || state == "unknown")
    }

    /// Whether it has a carrier within `limit`.
    pub(super) fn wait_for_carrier(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while !self.has_carrier() {
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK_EVERY);
        }
        true
    }

    /// Its switch is programmed by rules (`phys_switch_id` of `Documentation/ABI/testing/sysfs-class-net`).
    pub(crate) fn is_switchdev(&self) -> bool {
        let id = self.sysfs.read(&self.net("phys_switch_id"));
        id.is_some_and(|id| !id.is_empty())
    }

    fn flags(&self) -> u32 {
        let flags = self.sysfs.read(&self.net("flags")).unwrap_or_default();
        u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0)
    }

    fn net(&self, file: &str) -> String {
        format!("sys/class/net/{}/{file}", self.netdev)
    }

    fn device(&self, file: &str) -> String {
        format!("sys/bus/pci/devices/{}/{file}", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fake;
    use super::*;

    #[test]
    fn a_pf_is_found_by_its_network_device() {
        let fake = Fake::with_pf();
        fake.link("sys/class/net/virtio0/device", "../../virtio0");
        let sysfs = fake.sysfs();
        let pf = Pf::find(&sysfs, "nic0").unwrap();
        assert_eq!(pf.address().as_str(), "0000:01:00.0");
        assert_eq!((pf.driver().as_str(), pf.total_vfs()), ("igb", Some(7)));
        assert_eq!((pf.vfs(), pf.vf(0)), (0, None));
        let error = |name| Pf::find(&sysfs, name).unwrap_err().to_string();
        assert!(error("nic9").contains("no network device `nic9`"));
        assert!(error("virtio0").contains("no PCI device"));
        let all = Pf::all(&sysfs);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].netdev(), "nic0");
    }

    #[test]
    fn it_is_switched_on_and_off_and_keeps_its_other_flags() {
        let fake = Fake::with_pf();
        let sysfs = fake.sysfs();
        let pf = Pf::find(&sysfs, "nic0").unwrap();
        assert!(!pf.is_up() && !pf.wait_for_carrier(Duration::ZERO));
        pf.set_up(true).unwrap();
        assert!(pf.is_up() && pf.has_carrier());
        assert_eq!(fake.read("sys/class/net/nic0/flags"), "0x1003");
        pf.set_up(false).unwrap();
        assert_eq!(fake.read("sys/class/net/nic0/flags"), "0x1002");
    }
}
