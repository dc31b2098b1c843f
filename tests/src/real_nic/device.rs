//! Devices as sysfs shows them (Linux Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-net).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::nic_machine::Address;
use crate::rig::ip;

const PCI: &str = "/sys/bus/pci";
const NET: &str = "/sys/class/net";
/// How long a device may take until its driver has it, or it has a carrier.
const PATIENCE: Duration = Duration::from_secs(20);

/// Loads a kernel module.
pub(super) fn load(module: &str) -> io::Result<()> {
    let outcome = Command::new("modprobe").arg(module).output()?;
    match outcome.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "modprobe {module}: {}",
            String::from_utf8_lossy(&outcome.stderr).trim()
        ))),
    }
}

/// The network device that has this address, as soon as there is one.
pub(super) fn netdev(address: Address) -> io::Result<String> {
    let mut found = None;
    wait_until(&format!("network device {address}"), || {
        found = find_netdev(address)?;
        Ok(found.is_some())
    })?;
    Ok(found.unwrap_or_default())
}

fn find_netdev(address: Address) -> io::Result<Option<String>> {
    for entry in fs::read_dir(NET)? {
        let path = entry?.path();
        if fs::read_to_string(path.join("address")).is_ok_and(|found| found.trim() == address) {
            return Ok(Some(name(&path)));
        }
    }
    Ok(None)
}

/// Sets a network device up and waits for its carrier.
pub(super) fn set_up(netdev: &str) -> io::Result<()> {
    ip(&format!("link set {netdev} up"))?;
    wait_for_carrier(netdev)
}

/// Lets one CPU take what these devices receive, in the order in which they received it.
pub(super) fn interrupt_one_cpu(netdevs: &[String]) -> io::Result<()> {
    const CPU: &str = "0";
    for netdev in netdevs {
        let function = Path::new(PCI).join("devices").join(pci_address(netdev)?);
        for interrupt in fs::read_dir(function.join("msi_irqs"))? {
            let interrupt = Path::new("/proc/irq").join(interrupt?.file_name());
            fs::write(interrupt.join("smp_affinity_list"), CPU)?;
        }
    }
    Ok(())
}

/// Waits for a carrier.
pub(super) fn wait_for_carrier(netdev: &str) -> io::Result<()> {
    let carrier = Path::new(NET).join(netdev).join("carrier");
    wait_until(&format!("carrier of {netdev}"), || {
        Ok(fs::read_to_string(&carrier).is_ok_and(|carrier| carrier.trim() == "1"))
    })
}

/// The PCI address of a network device, be it a PCI function itself or, as with virtio, its child.
pub(super) fn pci_address(netdev: &str) -> io::Result<String> {
    let device = Path::new(NET).join(netdev).join("device").canonicalize()?;
    let functions = device.ancestors().map(name);
    let mut functions = functions.filter(|name| !name.is_empty() && pci(name).exists());
    functions
        .next()
        .ok_or_else(|| io::Error::other(format!("{netdev} is no PCI device: {}", device.display())))
}

/// Gives the PF so many VFs, which no driver of the kernel takes.
pub(super) fn make_vfs(pf: &str, number: u16) -> io::Result<()> {
    let device = Path::new(NET).join(pf).join("device");
    fs::write(device.join("sriov_drivers_autoprobe"), "0")?;
    fs::write(device.join("sriov_numvfs"), number.to_string())?;
    wait_for_carrier(pf)
}

fn pci(function: &str) -> PathBuf {
    Path::new(PCI).join("devices").join(function)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn wait_until(what: &str, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > until {
            return Err(io::Error::other(format!("no {what} after {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
