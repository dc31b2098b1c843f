//! The uplinks' devices.

use super::device::{Device, netdev_exists, pci_driver};
use super::finding::{Findings, Outcome, problem};

/// Drivers that leave a PCI device to DPDK, or share it (mlx4, mlx5).
const FOR_DPDK: [&str; 5] = [
    "vfio-pci",
    "igb_uio",
    "uio_pci_generic",
    "mlx4_core",
    "mlx5_core",
];

pub(super) fn check(findings: &mut Findings<'_>) {
    if let Some(uplink) = &findings.config.uplink {
        findings.add("uplink.a", device(&uplink.a));
        findings.add("uplink.b", device(&uplink.b));
    }
}

fn device(arguments: &str) -> Outcome {
    match Device::parse(arguments) {
        Some(Device::Pci(address)) => pci(&address),
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

fn pci(address: &str) -> Outcome {
    match pci_driver(address) {
        Some(Some(driver)) if FOR_DPDK.contains(&driver.as_str()) => {
            Ok(format!("PCI device {address} is here, driver {driver}"))
        }
        Some(driver) => problem(
            format!(
                "PCI device {address} is bound to {}",
                driver.as_deref().unwrap_or("no driver")
            ),
            format!("bind it for DPDK: `dpdk-devbind.py --bind=vfio-pci {address}`"),
        ),
        None => problem(
            format!("there is no PCI device {address}"),
            "`lspci -D` lists those of this host: create the VF or correct the address",
        ),
    }
}
