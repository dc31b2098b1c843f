//! A made-up sysfs, with a small kernel behind it that does what the attributes ask for.

use super::sysfs::Kernel;
use super::{PciAddress, Sysfs};
use nix::libc::{EBUSY, EINVAL, ENODEV, ENOENT};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

const PF: &str = "sys/bus/pci/devices/0000:01:00.0";

/// The tree; it is gone when dropped.
pub(crate) struct Fake {
    root: TempDir,
}

impl Fake {
    /// Nothing but the drivers that functions can be bound to.
    pub(crate) fn new() -> Self {
        let fake = Self {
            root: tempfile::tempdir().unwrap(),
        };
        for driver in ["vfio-pci", "igb", "igbvf", "ixgbe", "pcieport"] {
            fake.directory(&format!("sys/bus/pci/drivers/{driver}"));
        }
        fake.file("sys/bus/pci/drivers_probe", "");
        fake
    }

    /// `nic0`, which can have 7 VFs and has none; it is down.
    pub(crate) fn with_pf() -> Self {
        let fake = Self::new();
        fake.function("0000:01:00.0", Some("igb"), Some(1));
        fake.link("sys/class/net/nic0/device", "../../../0000:01:00.0");
        fake.file("sys/class/net/nic0/flags", "0x1002\n");
        fake.file(&format!("{PF}/sriov_totalvfs"), "7\n");
        fake.file(&format!("{PF}/sriov_numvfs"), "0\n");
        fake.file(&format!("{PF}/sriov_drivers_autoprobe"), "1\n");
        fake
    }

    /// VFs of `nic0`, in groups 20, 21, ...
    pub(crate) fn make_vfs(&self, number: u16) {
        let pf = self.sysfs();
        let pf = super::Pf::find(&pf, "nic0").unwrap();
        pf.set_vfs(number).unwrap();
    }

    pub(crate) fn sysfs(&self) -> Sysfs {
        let root = self.root.path().to_owned();
        Sysfs::of(self.root.path(), Arc::new(FakeKernel { root }))
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let text = fs::read_to_string(self.path(path)).unwrap();
        text.trim_end().to_owned()
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        make_parents(&self.path(path));
        fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn directory(&self, path: &str) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        relink(&self.path(path), target).unwrap();
    }

    /// A function with its driver and its IOMMU group.
    pub(crate) fn function(
        &self,
        address: &str,
        driver: Option<&str>,
        group: Option<u32>,
    ) -> PciAddress {
        make_function(self.root.path(), address, driver, group).unwrap();
        PciAddress::parse(address).unwrap()
    }

    /// As the kernel does it.
    pub(crate) fn remove(&self, address: &str) {
        fs::remove_dir_all(self.path(&format!("sys/bus/pci/devices/{address}"))).unwrap();
    }

    pub(crate) fn driver(&self, address: &str) -> Option<String> {
        driver(self.root.path(), address)
    }
}

/// Does what is written.
struct FakeKernel {
    root: PathBuf,
}

impl Kernel for FakeKernel {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let before = fs::read_to_string(path).unwrap_or_default();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap();
        let directory = path.parent().unwrap();
        match file {
            "unbind" | "bind" => {}
            _ => fs::write(path, value)?,
        }
        match file {
            "drivers_probe" => self.probe(value),
            "unbind" => self.unbind(value),
            "bind" if !directory.exists() => Err(io::Error::from_raw_os_error(ENOENT)),
            "bind" => self.bind(value, directory),
            "sriov_numvfs" => self.set_vfs(directory, before.trim(), value),
            "flags" => self.set_flags(directory, value),
            "driver_override" | "sriov_drivers_autoprobe" => Ok(()),
            other => panic!("{other} is no attribute that can be written"),
        }
    }

    /// A file that says `busy` is open elsewhere.
    fn open(&self, path: &Path) -> io::Result<()> {
        match fs::read_to_string(path)?.as_str() {
            "busy" => Err(io::Error::from_raw_os_error(EBUSY)),
            _ => Ok(()),
        }
    }
}

impl FakeKernel {
    fn device(&self, address: &str) -> PathBuf {
        self.root.join("sys/bus/pci/devices").join(address)
    }

    /// Here who waits for whoever has it open waits for ever.
    fn remove(&self, address: &str) -> io::Result<()> {
        assert!(!self.is_open(address), "somebody has {address} open");
        fs::remove_dir_all(self.device(address))
    }

    fn is_open(&self, address: &str) -> bool {
        let group = fs::read_link(self.device(address).join("iommu_group"));
        let node = group.ok().and_then(|group| {
            let node = self.root.join("dev/vfio").join(group.file_name()?);
            fs::read_to_string(node).ok()
        });
        driver(&self.root, address).as_deref() == Some("vfio-pci")
            && node.as_deref() == Some("busy")
    }

    /// Only the driver that an override names, or that of a VF when it may be probed.
    fn probe(&self, address: &str) -> io::Result<()> {
        let device = self.device(address);
        let wanted = fs::read_to_string(device.join("driver_override"))?;
        let wanted = wanted.trim();
        if device.join("driver").exists() || wanted.is_empty() || wanted == "(null)" {
            return Ok(());
        }
        self.bind_to(address, wanted)
    }

    fn unbind(&self, address: &str) -> io::Result<()> {
        assert!(!self.is_open(address), "somebody has {address} open");
        unlink(&self.device(address).join("driver"))
    }

    fn bind(&self, address: &str, driver: &Path) -> io::Result<()> {
        let wanted = fs::read_to_string(self.device(address).join("driver_override"))?;
        let name = driver.file_name().and_then(|name| name.to_str()).unwrap();
        if !["", "(null)", name].contains(&wanted.trim()) {
            return Err(io::Error::from_raw_os_error(ENODEV));
        }
        self.bind_to(address, name)
    }

    /// vfio makes a device for the group.
    fn bind_to(&self, address: &str, driver: &str) -> io::Result<()> {
        let link = self.device(address).join("driver");
        relink(&link, &format!("../../drivers/{driver}"))?;
        let group = fs::read_link(self.device(address).join("iommu_group"));
        if let ("vfio-pci", Ok(group)) = (driver, group) {
            let node = self.root.join("dev/vfio").join(group.file_name().unwrap());
            make_parents(&node);
            if !node.exists() {
                fs::write(node, "")?;
            }
        }
        Ok(())
    }

    /// As many as there are already is nothing to do, whether they are there or not.
    fn set_vfs(&self, pf: &Path, before: &str, value: &str) -> io::Result<()> {
        if before == value {
            return Ok(());
        }
        if before != "0" && value != "0" {
            fs::write(pf.join("sriov_numvfs"), before)?;
            return Err(io::Error::from_raw_os_error(EBUSY));
        }
        let autoprobe = fs::read_to_string(pf.join("sriov_drivers_autoprobe"))?;
        let number: u32 = value
            .parse()
            .map_err(|_| io::Error::from_raw_os_error(EINVAL))?;
        for vf in 0..7 {
            let address = format!("0000:01:10.{}", 2 * vf);
            let link = pf.join(format!("virtfn{vf}"));
            if vf < number {
                let driver = (autoprobe.trim() == "1").then_some("igbvf");
                make_function(&self.root, &address, driver, Some(20 + vf))?;
                relink(&self.device(&address).join("physfn"), "../0000:01:00.0")?;
                relink(&link, &format!("../{address}"))?;
            } else if link.is_symlink() {
                self.remove(&address)?;
                fs::remove_file(link)?;
            }
        }
        Ok(())
    }

    /// There is a carrier at once.
    fn set_flags(&self, netdev: &Path, value: &str) -> io::Result<()> {
        let state = if value.ends_with('3') {
            "up\n"
        } else {
            "down\n"
        };
        fs::write(netdev.join("operstate"), state)
    }
}

fn make_function(
    root: &Path,
    address: &str,
    driver: Option<&str>,
    group: Option<u32>,
) -> io::Result<()> {
    let device = root.join("sys/bus/pci/devices").join(address);
    fs::create_dir_all(&device)?;
    fs::write(device.join("driver_override"), "(null)\n")?;
    if let Some(driver) = driver {
        relink(&device.join("driver"), &format!("../../drivers/{driver}"))?;
    }
    if let Some(group) = group {
        let directory = format!("kernel/iommu_groups/{group}");
        relink(
            &device.join("iommu_group"),
            &format!("../../../{directory}"),
        )?;
        let members = root.join("sys").join(directory).join("devices");
        fs::create_dir_all(&members)?;
        fs::write(members.join(address), "")?;
    }
    Ok(())
}

fn driver(root: &Path, address: &str) -> Option<String> {
    let link = root
        .join("sys/bus/pci/devices")
        .join(address)
        .join("driver");
    let target = fs::read_link(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

fn make_parents(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
}

fn unlink(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

fn relink(path: &Path, target: &str) -> io::Result<()> {
    make_parents(path);
    let _ = fs::remove_file(path);
    symlink(target, path)
}
