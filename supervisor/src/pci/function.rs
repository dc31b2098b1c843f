//! A function of a PCI device.

use super::{PciAddress, PciError, Sysfs};

/// The driver that gives a function to a process.
pub(crate) const VFIO_PCI: &str = "vfio-pci";

/// One function, which need not be there.
#[derive(Debug, Clone)]
pub(crate) struct Function<'s> {
    sysfs: &'s Sysfs,
    address: PciAddress,
}

impl<'s> Function<'s> {
    pub(crate) fn new(sysfs: &'s Sysfs, address: PciAddress) -> Self {
        Self { sysfs, address }
    }

    /// The same, when it is there.
    ///
    /// # Errors
    /// [`PciError::NoFunction`].
    pub(crate) fn find(sysfs: &'s Sysfs, address: &PciAddress) -> Result<Self, PciError> {
        let function = Self::new(sysfs, address.clone());
        if function.exists() {
            Ok(function)
        } else {
            Err(PciError::NoFunction(address.clone()))
        }
    }

    pub(crate) fn address(&self) -> &PciAddress {
        &self.address
    }

    pub(super) fn sysfs(&self) -> &'s Sysfs {
        self.sysfs
    }

    fn path(&self, file: &str) -> String {
        format!("sys/bus/pci/devices/{}/{file}", self.address)
    }

    pub(crate) fn exists(&self) -> bool {
        self.sysfs.exists(&self.path(""))
    }

    /// The driver that it is bound to. When the driver is taken from it, this is the first to go,
    /// also while the kernel still waits for a process that has the function open
    /// (`__device_release_driver`, Linux `drivers/base/dd.c`).
    pub(crate) fn driver(&self) -> Option<String> {
        self.sysfs.link_name(&self.path("driver"))
    }

    /// The only driver that may have it, when somebody said so.
    pub(super) fn driver_override(&self) -> Option<String> {
        let written = self.sysfs.read(&self.path("driver_override"))?;
        Some(written).filter(|name| !name.is_empty() && name != "(null)")
    }

    /// The number of its IOMMU group.
    pub(super) fn group_number(&self) -> Option<u32> {
        let name = self.sysfs.link_name(&self.path("iommu_group"))?;
        name.parse().ok()
    }

    /// Its PF, when it is a VF.
    pub(crate) fn pf(&self) -> Option<PciAddress> {
        PciAddress::parse(&self.sysfs.link_name(&self.path("physfn"))?)
    }

    /// Only `driver` may have it from now on; nobody in particular when `None`.
    pub(super) fn set_driver_override(&self, driver: Option<&str>) -> Result<(), PciError> {
        let line = format!("{}\n", driver.unwrap_or_default());
        self.sysfs.write(&self.path("driver_override"), &line)
    }

    /// Takes its driver from it, if it has one. Waits while a process has the function open.
    pub(super) fn unbind(&self) -> Result<(), PciError> {
        if self.driver().is_none() {
            return Ok(());
        }
        let unbind = self.path("driver/unbind");
        self.sysfs.write(&unbind, self.address.as_str())
    }

    /// Gives it to vfio-pci, whichever driver it has now.
    ///
    /// # Errors
    /// What the kernel says, or that the function is not with vfio-pci after all.
    pub(super) fn give_to_vfio(&self) -> Result<(), PciError> {
        if self.driver().as_deref() == Some(VFIO_PCI) {
            return Ok(());
        }
        if !self.sysfs.exists("sys/bus/pci/drivers/vfio-pci") {
            return Err(PciError::NoVfio);
        }
        self.set_driver_override(Some(VFIO_PCI))?;
        self.unbind()?;
        let probed = self
            .sysfs
            .write("sys/bus/pci/drivers_probe", self.address.as_str());
        match self.driver() {
            Some(driver) if driver == VFIO_PCI => Ok(()),
            driver => {
                probed?;
                Err(PciError::NotBound {
                    address: self.address.clone(),
                    driver,
                })
            }
        }
    }

    /// Lets exactly `driver` have it; nobody when `None`.
    pub(super) fn give_to(&self, driver: Option<&str>) -> Result<(), PciError> {
        if self.driver().as_deref() == driver {
            return Ok(());
        }
        self.unbind()?;
        match driver {
            None => Ok(()),
            Some(driver) => {
                let bind = format!("sys/bus/pci/drivers/{driver}/bind");
                self.sysfs.write(&bind, self.address.as_str())
            }
        }
    }
}
