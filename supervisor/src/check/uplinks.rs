//! The uplinks' devices.

use super::device::{Device, netdev_exists};
use super::finding::{Findings, Outcome, problem};
use super::functions;
use crate::config::{Config, Devices};
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
    findings.note("uplink.probe", proof(findings.config));
}

/// Whether somebody will find out that one is deaf.
fn proof(config: &Config) -> String {
    match config.probe() {
        Ok(every) => {
            let every = humantime::format_duration(every);
            format!("each uplink is asked every {every} whether it hears")
        }
        Err(reason) => format!("nobody will find out that an uplink is deaf: {reason}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn where_nobody_finds_out_that_an_uplink_is_deaf_a_check_says_so() {
        let told = |uplink: &str, steering: &str| {
            let text = format!(
                "[vswitch]\nprogram = \"/v\"\nlanes = [1]\n[uplink]\na = \"net_null0\"\n\
                 b = \"net_null1\"\n{uplink}[steering]\n{steering}\n"
            );
            proof(&Config::parse(Path::new("/etc/vswsup.toml"), text).unwrap())
        };
        let bridge = "backend = \"bridge-fdb\"\nports = { a = \"tap0\", b = \"tap1\" }";
        let asked = "each uplink is asked every 200ms whether it hears";
        assert_eq!(told("", bridge), asked);
        let off = told("probe = \"off\"\n", bridge);
        assert!(off.ends_with("is deaf: uplink.probe is \"off\""), "{off}");
        let no_way = told("", "backend = \"none\"");
        assert!(no_way.contains("no way to send to one"), "{no_way}");
    }
}
