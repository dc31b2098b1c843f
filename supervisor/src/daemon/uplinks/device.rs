//! The device behind an uplink: whether it is there, and still the instance's.

use crate::check::{self, netdev_exists};
use crate::pci::{Function, PciAddress, Sysfs};

/// One that can be lost.
#[derive(Debug)]
pub(super) enum Device {
    /// A PCI function, and the driver that it had when the process started.
    Pci {
        sysfs: Sysfs,
        address: PciAddress,
        driver: Option<String>,
    },
    /// A network device.
    Netdev(String),
}

impl Device {
    /// With the driver that a function was `given`, if it was. `None`: DPDK makes the device itself.
    pub(super) fn of_arguments(
        arguments: &str,
        given: Option<&str>,
        sysfs: &Sysfs,
    ) -> Option<Self> {
        match check::Device::parse(arguments)? {
            check::Device::Pci(address) => Some(Self::of_function(sysfs.clone(), address, given)),
            check::Device::Netdev(name) => Some(Self::Netdev(name)),
            check::Device::Virtual(_) => None,
        }
    }

    fn of_function(sysfs: Sysfs, address: PciAddress, given: Option<&str>) -> Self {
        let driver = given.map(str::to_owned);
        let driver = driver.or_else(|| Function::new(&sysfs, address.clone()).driver());
        Self::Pci {
            sysfs,
            address,
            driver,
        }
    }

    /// Why a process that runs has lost it, if it has. Where a function is taken away while a process
    /// has it open, the kernel waits for that process, and the driver's link is gone already.
    pub(super) fn loss(&self) -> Option<String> {
        let lost = self.absence();
        match self {
            Self::Netdev(_) => lost,
            Self::Pci {
                sysfs,
                address,
                driver,
            } => lost.or_else(|| {
                let now = Function::new(sysfs, address.clone()).driver();
                match (driver, now) {
                    (Some(had), None) => Some(format!(
                        "the kernel is taking {address} from {had}: it was unbound, or it or its PF is \
                         being removed; it goes when its instance ends: if that goes on as the active \
                         one, restart vswsup"
                    )),
                    (Some(had), Some(now)) if *had != now => {
                        Some(format!("{address} has driver {now} now, and not {had}"))
                    }
                    (Some(_) | None, _) => None,
                }
            }),
        }
    }

    /// That it is not there, if it is not.
    pub(super) fn absence(&self) -> Option<String> {
        match self {
            Self::Pci { sysfs, address, .. } => {
                let there = Function::new(sysfs, address.clone()).exists();
                (!there).then(|| {
                    format!("there is no PCI device {address} any more; put it back, and its instance starts by itself")
                })
            }
            Self::Netdev(name) => (!netdev_exists(name)).then(|| {
                format!("there is no network device `{name}` any more; make it again, and its instance starts by itself")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::{Fake, VFIO_PCI};

    #[test]
    fn a_function_is_lost_when_its_driver_is_and_before_it_is_gone() {
        let fake = Fake::new();
        let address = fake.function("0000:01:10.0", Some(VFIO_PCI), Some(3));
        let device = Device::of_function(fake.sysfs(), address, None);
        assert_eq!((device.loss(), device.absence()), (None, None));
        let driver = fake.path("sys/bus/pci/devices/0000:01:10.0/driver");
        std::fs::remove_file(driver).unwrap();
        let loss = device.loss().unwrap();
        assert!(loss.contains("taking 0000:01:10.0 from vfio-pci"), "{loss}");
        assert_eq!(device.absence(), None, "a new process could bind it again");
        fake.function("0000:01:10.0", Some("igbvf"), Some(3));
        assert!(device.loss().unwrap().contains("driver igbvf now"));
        fake.remove("0000:01:10.0");
        assert!(
            device
                .absence()
                .unwrap()
                .contains("no PCI device 0000:01:10.0")
        );
    }

    #[test]
    fn a_network_device_is_there_or_not() {
        let of = |arguments: &str| Device::of_arguments(arguments, None, &Sysfs::host());
        let netdev = |name: &str| of(&format!("net_af_packet0,iface={name}")).unwrap();
        assert_eq!(netdev("lo").loss(), None);
        let loss = netdev("not-here-0").loss().unwrap();
        assert!(loss.contains("`not-here-0`"), "{loss}");
        assert!(of("net_null0").is_none());
    }
}
