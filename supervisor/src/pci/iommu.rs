//! Whether this host has an IOMMU, and how it comes to have one.

use super::Sysfs;

/// Whether the kernel has put devices into IOMMU groups.
pub(crate) fn has_groups(sysfs: &Sysfs) -> bool {
    !sysfs.names("sys/kernel/iommu_groups").is_empty()
}

/// What to do when there are none.
pub(crate) fn advice(sysfs: &Sysfs) -> String {
    let boot = sysfs.read("proc/cmdline").unwrap_or_default();
    let said = boot
        .split_whitespace()
        .find(|word| word.contains("iommu=") && !word.ends_with("=pt"));
    let processor = sysfs.read("proc/cpuinfo").unwrap_or_default();
    match said {
        Some(word) if word.ends_with("=off") => {
            format!("the kernel was booted with `{word}`: boot without it")
        }
        Some(word) if word.contains("=on") => format!(
            "the kernel was booted with `{word}` and has found none: switch it on in the firmware \
             (VT-d, AMD-Vi, IOMMU)"
        ),
        _ if processor.contains(" hypervisor") => {
            "this is a virtual machine: its host has to give it one, such as QEMU's \
             `-device intel-iommu`; then boot with `intel_iommu=on`"
                .to_owned()
        }
        _ if processor.contains("GenuineIntel") => {
            "switch on VT-d in the firmware, and boot with `intel_iommu=on iommu=pt`".to_owned()
        }
        _ if processor.contains("AuthenticAMD") => {
            "switch on AMD-Vi (IOMMU) in the firmware, and boot with `iommu=pt`".to_owned()
        }
        _ => "switch it on in the firmware (VT-d, AMD-Vi, SMMU)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fake;
    use super::*;

    #[test]
    fn the_advice_is_about_this_host() {
        for (boot, processor, part) in [
            ("quiet intel_iommu=off", "GenuineIntel", "boot without it"),
            ("intel_iommu=on iommu=pt", "GenuineIntel", "in the firmware"),
            ("iommu=pt", "vendor_id : GenuineIntel", "`intel_iommu=on"),
            ("quiet", "vendor_id : AuthenticAMD", "AMD-Vi"),
            (
                "",
                "AuthenticAMD\nflags : fpu hypervisor",
                "its host has to give",
            ),
            ("", "", "in the firmware"),
        ] {
            let fake = Fake::new();
            fake.file("proc/cmdline", boot);
            fake.file("proc/cpuinfo", processor);
            let advice = advice(&fake.sysfs());
            assert!(advice.contains(part), "{boot} {processor}: {advice}");
        }
    }

    #[test]
    fn groups_are_there_or_not() {
        let fake = Fake::new();
        assert!(!has_groups(&fake.sysfs()));
        fake.function("0000:01:00.0", None, Some(3));
        assert!(has_groups(&fake.sysfs()));
    }
}
