//! What this host can do, and why not what it cannot, whatever the configuration asks for.

use super::finding::Findings;
use super::functions::shown;
use super::{limits, memory, methods};
use crate::pci::{Pf, Sysfs, VFIO_PCI, has_groups, iommu_advice};
use nix::sys::resource::RLIM_INFINITY;

pub(super) fn describe(findings: &mut Findings<'_>) {
    let sysfs = Sysfs::host();
    findings.note("host.iommu", iommu(&sysfs));
    findings.note("host.vfio", vfio(&sysfs));
    findings.note("host.vfs", vfs(&sysfs));
    findings.note("host.hugepages", memory::hugepages_in_words());
    findings.note("host.memlock", memlock(limits::may_lock()));
    methods::describe(findings, &sysfs);
}

fn iommu(sysfs: &Sysfs) -> String {
    match sysfs.names("sys/kernel/iommu_groups").len() {
        0 => format!(
            "none: no VF or PCI device can be given to an instance; {}",
            iommu_advice(sysfs)
        ),
        count => format!("{count} groups: each goes to one process, with all devices in it"),
    }
}

fn vfio(sysfs: &Sysfs) -> String {
    let drivers = sysfs.names("sys/bus/pci/drivers");
    let has_driver = drivers.iter().any(|name| name == VFIO_PCI);
    let nodes = sysfs.names("dev/vfio").into_iter();
    let groups = nodes.filter(|name| name.parse::<u32>().is_ok()).count();
    match (has_driver, has_groups(sysfs)) {
        (true, _) => format!("vfio-pci is loaded, {groups} groups in /dev/vfio"),
        (false, true) => "vfio-pci is not loaded: `modprobe vfio-pci`".to_owned(),
        (false, false) => "vfio-pci is not loaded, and needs an IOMMU first".to_owned(),
    }
}

fn vfs(sysfs: &Sysfs) -> String {
    let pfs: Vec<_> = Pf::all(sysfs).iter().map(in_words).collect();
    match pfs[..] {
        [] => "no network device here can have VFs (SR-IOV)".to_owned(),
        _ => pfs.join(", "),
    }
}

fn in_words(pf: &Pf<'_>) -> String {
    let (vfs, total) = (pf.vfs(), pf.total_vfs().unwrap_or_default());
    format!("{} has {vfs} of {total}", shown(pf))
}

fn memlock((allowed, exempt): (u64, bool)) -> String {
    match (allowed, exempt) {
        (RLIM_INFINITY, _) => "as much as there is may be locked".to_owned(),
        (_, true) => "as much as there is may be locked (CAP_IPC_LOCK)".to_owned(),
        (bytes, false) => format!("{} MiB may be locked in memory", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::Fake;

    #[test]
    fn a_host_with_everything_and_one_with_nothing() {
        let fake = Fake::with_pf();
        fake.file("dev/vfio/vfio", "");
        fake.file("dev/vfio/devices/vfio0", "");
        fake.file("dev/vfio/7", "");
        let sysfs = fake.sysfs();
        assert!(iommu(&sysfs).starts_with("1 groups"));
        assert_eq!(vfio(&sysfs), "vfio-pci is loaded, 1 groups in /dev/vfio");
        assert_eq!(vfs(&sysfs), "nic0 (0000:01:00.0, igb) has 0 of 7");
        std::fs::remove_dir(fake.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
        assert!(vfio(&sysfs).ends_with("`modprobe vfio-pci`"));
        let bare = Fake::new();
        let sysfs = bare.sysfs();
        assert!(
            iommu(&sysfs).contains("no VF or PCI device"),
            "{}",
            iommu(&sysfs)
        );
        assert!(vfs(&sysfs).contains("SR-IOV"));
    }

    #[test]
    fn what_may_be_locked_is_said() {
        assert_eq!(memlock((8 << 20, false)), "8 MiB may be locked in memory");
        assert!(memlock((8 << 20, true)).contains("CAP_IPC_LOCK"));
        assert!(memlock((RLIM_INFINITY, false)).contains("as much as there is"));
    }
}
