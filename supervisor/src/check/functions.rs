//! The functions that the supervisor is to prepare: what it will find, and what it will do.

use super::finding::{Findings, Outcome, problem};
use crate::pci::{
    Function, Group, PciError, Pf, Sysfs, VFIO_PCI, Wanted, has_groups, iommu_advice, require_apart,
};

pub(super) fn check(findings: &mut Findings<'_>, sysfs: &Sysfs, wanted: &Wanted) {
    findings.add("uplink", vfio(sysfs));
    match wanted.find_pf(sysfs) {
        Err(error) => findings.add("uplink.pf", Err(error.into_parts())),
        Ok(Some(pf)) if wanted.is_to_make(&pf) => findings.add("uplink.pf", to_make(&pf, wanted)),
        Ok(pf) => {
            if let Some(pf) = &pf {
                findings.add("uplink.pf", as_it_is(pf));
            }
            each(findings, sysfs, wanted);
        }
    }
}

/// That nobody else has what the instances are to have. Beside a running pair that has it, this is
/// not asked.
pub(super) fn check_free(findings: &mut Findings<'_>) {
    let sysfs = Sysfs::host();
    let uplink = findings.config.uplink.as_ref();
    if let Some(wanted) = uplink.and_then(|uplink| uplink.wanted()) {
        free(findings, &sysfs, &wanted);
    }
}

/// What is wrong otherwise is found by [`check`].
fn free(findings: &mut Findings<'_>, sysfs: &Sysfs, wanted: &Wanted) {
    for (index, function) in wanted.functions.iter().enumerate() {
        let function = wanted.find(sysfs, function);
        let function = function.ok().filter(is_with_vfio);
        let group = function.and_then(|function| Group::of(&function).ok());
        if let Some(group) = group {
            let outcome = group.require_free();
            let ok = || format!("nobody has IOMMU group {}", group.number());
            let outcome = outcome.map(|()| ok()).map_err(PciError::into_parts);
            findings.add(&format!("uplink.vfs[{index}]"), outcome);
        }
    }
}

/// Without an IOMMU no function can be given to anybody, whichever it is.
fn vfio(sysfs: &Sysfs) -> Outcome {
    if !has_groups(sysfs) {
        return problem(
            "this host has no IOMMU, and vfio does nothing without one",
            iommu_advice(sysfs),
        );
    }
    if !sysfs
        .names("sys/bus/pci/drivers")
        .iter()
        .any(|name| name == VFIO_PCI)
    {
        return Err(PciError::NoVfio.into_parts());
    }
    Ok("there is an IOMMU, and vfio-pci is loaded".to_owned())
}

fn to_make(pf: &Pf<'_>, wanted: &Wanted) -> Outcome {
    let (enough, total) = (wanted.enough(), pf.total_vfs().unwrap_or_default());
    Ok(format!(
        "{} has no VFs, {enough} of {total} will be made",
        shown(pf)
    ))
}

fn as_it_is(pf: &Pf<'_>) -> Outcome {
    let netdev = pf.netdev();
    if !pf.is_up() {
        return problem(
            format!("`{netdev}` is down, and nothing reaches its VFs"),
            format!("`ip link set {netdev} up`"),
        );
    }
    let carrier = if pf.has_carrier() {
        "carrier"
    } else {
        "no carrier"
    };
    let (vfs, total) = (pf.vfs(), pf.total_vfs().unwrap_or_default());
    Ok(format!("{} has {vfs} of {total} VFs, {carrier}", shown(pf)))
}

/// Such as `enp1s0 (0000:01:00.0, igb)`.
pub(super) fn shown(pf: &Pf<'_>) -> String {
    format!("{} ({}, {})", pf.netdev(), pf.address(), pf.driver())
}

fn each(findings: &mut Findings<'_>, sysfs: &Sysfs, wanted: &Wanted) {
    let found = wanted.functions.iter();
    let found = found.map(|function| wanted.find(sysfs, function));
    let found: Vec<_> = found.collect();
    let groups = found.iter().map(|function| {
        let function = function.as_ref().ok()?;
        Group::of(function).ok()
    });
    let groups: Vec<_> = groups.collect();
    for (index, function) in found.into_iter().enumerate() {
        let outcome = function.and_then(|function| describe(&function));
        let outcome = outcome.map_err(PciError::into_parts);
        findings.add(&format!("uplink.vfs[{index}]"), outcome);
    }
    if let [Some(a), Some(b)] = &groups[..]
        && let Err(error) = require_apart([a, b])
    {
        findings.add("uplink.vfs", Err(error.into_parts()));
    }
}

fn describe(function: &Function<'_>) -> Result<String, PciError> {
    let group = Group::of(function)?;
    group.require_viable()?;
    let driver = match function.driver() {
        Some(driver) if driver == VFIO_PCI => driver,
        Some(driver) => format!("{driver}, will be bound to vfio-pci"),
        None => "none, will be bound to vfio-pci".to_owned(),
    };
    let (address, number) = (function.address(), group.number());
    Ok(format!("{address}, IOMMU group {number}, driver {driver}"))
}

fn is_with_vfio(function: &Function<'_>) -> bool {
    function.driver().as_deref() == Some(VFIO_PCI)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::pci::Fake;
    use std::path::Path;

    fn lines(fake: &Fake, uplink: &str) -> Vec<String> {
        let text = format!(
            "[vswitch]\nprogram = \"/v\"\nlanes = [1]\n[steering]\nbackend = \"none\"\n[uplink]\n\
             {uplink}\n"
        );
        let config = Config::parse(Path::new("/etc/vswsup.toml"), text).unwrap();
        let wanted = config.uplink.as_ref().unwrap().wanted().unwrap();
        let mut findings = Findings::new(&config);
        check(&mut findings, &fake.sysfs(), &wanted);
        free(&mut findings, &fake.sysfs(), &wanted);
        findings.list.iter().map(|one| one.to_string()).collect()
    }

    #[track_caller]
    fn assert_line(lines: &[String], parts: &[&str]) {
        let matches = |line: &&String| parts.iter().all(|part| line.contains(part));
        assert!(
            lines.iter().any(|line| matches(&line)),
            "{parts:?} in {lines:#?}"
        );
    }

    const NUMVFS: &str = "sys/bus/pci/devices/0000:01:00.0/sriov_numvfs";

    #[test]
    fn what_will_be_done_is_told_and_not_done() {
        let fake = Fake::with_pf();
        let found = lines(&fake, "pf = \"nic0\"\nvfs = [0, 1]\nmake_vfs = true");
        assert_line(
            &found,
            &[
                "ok ",
                "uplink.pf: nic0 (0000:01:00.0, igb) has no VFs, 2 of 7 will",
            ],
        );
        assert_eq!(fake.read(NUMVFS), "0");
        fake.make_vfs(2);
        let found = lines(&fake, "pf = \"nic0\"\nvfs = [0, 1]");
        assert_line(
            &found,
            &[
                "problem ",
                ":7:6: uplink.pf",
                "is down",
                "ip link set nic0 up",
            ],
        );
        assert_line(
            &found,
            &[
                "ok ",
                "vfs[0]: 0000:01:10.0, IOMMU group 20, driver igbvf, will",
            ],
        );
        assert_eq!(fake.driver("0000:01:10.0").as_deref(), Some("igbvf"));
    }

    #[test]
    fn a_host_that_cannot_is_told_why_and_what_to_do() {
        let fake = Fake::new();
        fake.function("0000:01:00.0", None, None);
        fake.function("0000:02:00.0", None, None);
        let two = "vfs = [\"0000:01:00.0\", \"0000:02:00.0\"]";
        let found = lines(&fake, two);
        assert_line(
            &found,
            &[
                "problem ",
                ":6:1: uplink: this host has no IOMMU",
                "firmware",
            ],
        );
        assert_line(
            &found,
            &[
                "problem ",
                ":7:8: uplink.vfs[0]",
                "no IOMMU for 0000:01:00.0",
            ],
        );
        fake.function("0000:01:00.0", Some(VFIO_PCI), Some(3));
        fake.function("0000:02:00.0", Some("igb"), Some(3));
        let found = lines(&fake, two);
        assert_line(
            &found,
            &["ok ", "uplink: there is an IOMMU, and vfio-pci is loaded"],
        );
        assert_line(
            &found,
            &["problem ", "uplink.vfs: ", "both in IOMMU group 3"],
        );
        assert_line(
            &found,
            &["problem ", "uplink.vfs[0]", "also has 0000:02:00.0"],
        );
    }

    #[test]
    fn a_group_that_somebody_has_is_a_problem() {
        let fake = Fake::new();
        fake.function("0000:01:00.0", Some(VFIO_PCI), Some(3));
        fake.function("0000:02:00.0", Some(VFIO_PCI), Some(4));
        fake.file("dev/vfio/3", "");
        fake.file("dev/vfio/4", "busy");
        let found = lines(&fake, "vfs = [\"0000:01:00.0\", \"0000:02:00.0\"]");
        assert_line(&found, &["ok ", "uplink.vfs[0]: nobody has IOMMU group 3"]);
        assert_line(
            &found,
            &["problem ", "uplink.vfs[1]", "0000:02:00.0 is in use"],
        );
    }
}
