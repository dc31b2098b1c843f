//! An IOMMU group: what vfio gives to a process, whole and to one at a time.

use super::{Function, PciAddress, PciError, holder, iommu};
use nix::libc::EBUSY;

/// Drivers whose functions do not keep vfio from a group: they do no DMA, or are vfio
/// (`driver_managed_dma`, Linux `include/linux/pci.h`).
const HARMLESS: [&str; 4] = ["vfio-pci", "pci-stub", "pcieport", "shpchp"];

/// The group of one function.
#[derive(Debug)]
pub(crate) struct Group<'s> {
    function: Function<'s>,
    number: u32,
}

impl<'s> Group<'s> {
    /// # Errors
    /// [`PciError::NoIommu`].
    pub(crate) fn of(function: &Function<'s>) -> Result<Self, PciError> {
        let number = function.group_number().ok_or_else(|| PciError::NoIommu {
            address: function.address().clone(),
            advice: iommu::advice(function.sysfs()),
        })?;
        Ok(Self {
            function: function.clone(),
            number,
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// All functions in the group.
    pub(crate) fn members(&self) -> Vec<PciAddress> {
        let sysfs = self.function.sysfs();
        let names = sysfs.names(&format!("sys/kernel/iommu_groups/{}/devices", self.number));
        let members = names.iter().filter_map(|name| PciAddress::parse(name));
        members.collect()
    }

    /// vfio can have the group, once the function itself has no driver of the kernel.
    ///
    /// # Errors
    /// [`PciError::Foreign`].
    pub(crate) fn require_viable(&self) -> Result<(), PciError> {
        let others = self.members().into_iter();
        for other in others.filter(|other| other != self.function.address()) {
            let driver = Function::new(self.function.sysfs(), other.clone()).driver();
            if let Some(driver) = driver.filter(|driver| !HARMLESS.contains(&driver.as_str())) {
                return Err(PciError::Foreign {
                    address: self.function.address().clone(),
                    group: self.number,
                    other,
                    driver,
                });
            }
        }
        Ok(())
    }

    /// Nobody has the group. A group is open in one process at a time (`vfio_group_fops_open`, Linux
    /// `drivers/vfio`), so it is opened for a moment.
    ///
    /// # Errors
    /// [`PciError::Busy`], [`PciError::NotOpened`].
    pub(crate) fn require_free(&self) -> Result<(), PciError> {
        let (sysfs, group) = (self.function.sysfs(), self.number);
        let address = self.function.address().clone();
        let node = format!("dev/vfio/{group}");
        sysfs.open(&node).map_err(|error| {
            if error.raw_os_error() == Some(EBUSY) {
                let holder = holder::of(sysfs, &format!("/{node}"));
                PciError::Busy {
                    address,
                    group,
                    holder,
                }
            } else {
                PciError::NotOpened {
                    address,
                    group,
                    error,
                }
            }
        })
    }

    /// As above, where vfio need not have the group at all.
    ///
    /// # Errors
    /// [`PciError::Busy`].
    pub(super) fn require_unused(&self) -> Result<(), PciError> {
        self.require_free().or_else(|error| match error.is_busy() {
            true => Err(error),
            false => Ok(()),
        })
    }
}

/// Each instance can have its own.
///
/// # Errors
/// [`PciError::SameGroup`].
pub(crate) fn require_apart([a, b]: [&Group<'_>; 2]) -> Result<(), PciError> {
    if a.number != b.number {
        return Ok(());
    }
    Err(PciError::SameGroup {
        of: [a, b].map(|group| group.function.address().clone()),
        group: a.number,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Fake;
    use super::*;

    #[test]
    fn a_group_with_somebody_elses_function_is_not_viable() {
        let fake = Fake::new();
        let address = fake.function("0000:02:00.0", None, Some(5));
        let other = fake.function("0000:02:00.1", Some("pcieport"), Some(5));
        let sysfs = fake.sysfs();
        let group = Group::of(&Function::new(&sysfs, address.clone())).unwrap();
        assert_eq!(group.members(), [address, other]);
        group.require_viable().unwrap();
        fake.function("0000:02:00.2", Some("ixgbe"), Some(5));
        let error = group.require_viable().unwrap_err().to_string();
        assert!(
            error.contains("also has 0000:02:00.2, whose driver ixgbe"),
            "{error}"
        );
        assert!(error.contains("ACS"), "{error}");
    }

    #[test]
    fn a_group_that_is_open_elsewhere_is_in_use_by_somebody() {
        let fake = Fake::new();
        let address = fake.function("0000:02:00.0", Some("vfio-pci"), Some(5));
        let sysfs = fake.sysfs();
        let group = Group::of(&Function::new(&sysfs, address)).unwrap();
        let missing = group.require_free().unwrap_err().to_string();
        assert!(missing.contains("modprobe vfio_iommu_type1"), "{missing}");
        fake.file("dev/vfio/5", "");
        group.require_free().unwrap();
        fake.file("dev/vfio/5", "busy");
        let nobody = group.require_free().unwrap_err().to_string();
        assert!(nobody.contains("is open in another process"), "{nobody}");
        fake.file("proc/77/comm", "qemu\n");
        fake.link("proc/77/fd/9", "/dev/vfio/5");
        let somebody = group.require_free().unwrap_err().to_string();
        assert!(
            somebody.contains("is open in process 77 (qemu)"),
            "{somebody}"
        );
    }

    #[test]
    fn without_an_iommu_there_is_no_group() {
        let fake = Fake::new();
        let address = fake.function("0000:02:00.0", None, None);
        fake.file("proc/cpuinfo", "vendor_id : GenuineIntel");
        let sysfs = fake.sysfs();
        let error = Group::of(&Function::new(&sysfs, address)).unwrap_err();
        assert!(error.to_string().contains("no IOMMU for 0000:02:00.0"));
        assert!(error.to_string().contains("intel_iommu=on"));
    }
}
