//! The uplinks' devices.

use super::device::{Device, netdev_exists};
use super::finding::{Findings, Outcome, problem};
use super::functions;
use crate::config::Devices;
use crate::pci::{Function, PciAddress, PciError, Sysfs};

/// Drivers that leave a PCI device to DPDK, or share it (mlx4, mlx5).
const FOR_DPDK: [&str; 5] = [
    "vfio-pci",
    "igb_uio",
    "uio_pci_generic",
    "mlx4_core",
    "mlx5_core",
];

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(uplink) = &findings.config.uplink else {
        return;
    };
    let sysfs = Sysfs::host();
    match (uplink.devices(), uplink.wanted()) {
        (Devices::Functions(_), Some(wanted)) => functions::check(findings, &sysfs, &wanted),
        (Devices::Arguments([a, b]), _) => {
            findings.add("uplink.a", device(&sysfs, a));
            findings.add("uplink.b", device(&sysfs, b));
        }
        (Devices::Functions(_), None) => {}
    }
}

fn device(sysfs: &Sysfs, arguments: &str) -> Outcome {
    match Device::parse(arguments) {
        Some(Device::Pci(address)) => pci(sysfs, &address),
        Some(Device::Netdev(name)) => netdev(&name),
        Some(Device::Virtual(name)) => Ok(format!("`{name}` is left to DPDK")),
        None => problem(
            format!("`{arguments}` is neither a PCI address nor a virtual device of DPDK"),
            "write such as \"0000:03:10.0\" or \"net_af_packet0,iface=vf0\"",
        ),
    }
}

/// For a key that names a network device.
pub(super) fn netdev(name: &str) -> Outcome {
    if netdev_exists(name) {
        return Ok(format!("network device `{name}` is here"));
    }
    problem(
        format!("there is no network device `{name}`"),
        "`ip link` lists those of this network namespace: create it or correct the name",
    )
}

fn pci(sysfs: &Sysfs, address: &PciAddress) -> Outcome {
    let function = Function::find(sysfs, address).map_err(PciError::into_parts)?;
    match function.driver() {
        Some(driver) if FOR_DPDK.contains(&driver.as_str()) => {
            Ok(format!("PCI device {address} is here, driver {driver}"))
        }
        driver => problem(
            format!(
                "PCI device {address} is bound to {}",
                driver.as_deref().unwrap_or("no driver")
            ),
            "name it in uplink.vfs instead of `a` and `b`, and the supervisor binds it to vfio-pci",
        ),
    }
}
