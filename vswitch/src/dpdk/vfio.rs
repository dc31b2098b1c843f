//! What keeps vfio from giving this process a device that is bound to it. DPDK does not tell.

use std::fs::{self, OpenOptions};
use std::path::Path;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// The kernel's driver.
pub(super) const DRIVER: &str = "vfio-pci";

/// What is wrong with the device of this sysfs directory, and what to do.
pub(super) fn trouble(device: &Path) -> String {
    match group(device) {
        None => "it has no IOMMU group: switch the IOMMU on in the firmware, and at boot \
                 (`intel_iommu=on`)"
            .to_owned(),
        Some(group) => trouble_of(&Path::new("/dev/vfio").join(group)),
    }
}

fn group(device: &Path) -> Option<String> {
    let group = fs::read_link(device.join("iommu_group")).ok()?;
    Some(group.file_name()?.to_str()?.to_owned())
}

/// A group is open in one process at a time (`vfio_group_fops_open`, Linux `drivers/vfio`).
fn trouble_of(group: &Path) -> String {
    let opened = OpenOptions::new().read(true).write(true).open(group);
    let group = group.display();
    match opened.map_err(|error| error.raw_os_error()) {
        Ok(_) => lockable(),
        Err(Some(libc::EBUSY)) => {
            format!("another process has {group} open: end that one, or use another device")
        }
        Err(Some(libc::EACCES | libc::EPERM)) => {
            format!("this process may not open {group}: run it as root, or allow it that device")
        }
        Err(_) => format!("there is no {group} here: `modprobe vfio_iommu_type1`"),
    }
}

fn lockable() -> String {
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((bytes, _)) if bytes < RLIM_INFINITY => format!(
            "vfio locks DPDK's memory, and {} MiB may be locked: if that is too little, raise \
             RLIMIT_MEMLOCK (`ulimit -l unlimited`)",
            bytes >> 20
        ),
        Ok(_) | Err(_) => "`dmesg` may tell why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_device_without_group_has_no_iommu() {
        let device = tempfile::tempdir().unwrap();
        assert!(trouble(device.path()).contains("no IOMMU group"));
        symlink(
            "../../groups/no-such-group",
            device.path().join("iommu_group"),
        )
        .unwrap();
        let told = trouble(device.path());
        assert!(
            told.starts_with("there is no /dev/vfio/no-such-group"),
            "{told}"
        );
    }

    #[test]
    fn a_group_that_can_be_opened_leaves_the_limit_of_locked_memory() {
        let told = trouble_of(Path::new("/dev/null"));
        let (bytes, _) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
        assert_eq!(
            told.contains("RLIMIT_MEMLOCK"),
            bytes < RLIM_INFINITY,
            "{told}"
        );
    }
}
