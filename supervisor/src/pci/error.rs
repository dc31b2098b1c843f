//! What is wrong with a function, and what to do: one line each.

use super::PciAddress;
use nix::libc::{EACCES, EBUSY, ENOENT, EPERM, EROFS};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a function cannot be an uplink.
#[derive(Debug, thiserror::Error)]
pub enum PciError {
    /// No such network device.
    #[error(
        "there is no network device `{0}`; `ip link` lists those of this network namespace: correct the \
         name, or bring it back if it was removed (`echo 1 > /sys/bus/pci/rescan`)"
    )]
    NoNetdev(String),
    /// A network device without PCI function.
    #[error("`{0}` is no PCI device and has no VFs; name the network device of a NIC's PF")]
    NotPci(String),
    /// Not an SR-IOV device.
    #[error(
        "`{netdev}` (driver {driver}) cannot have VFs; switch SR-IOV on in the firmware, use another \
         NIC, or give the instances whole functions by address"
    )]
    NoSriov {
        /// The PF.
        netdev: String,
        /// Its driver.
        driver: String,
    },
    /// Nobody made them.
    #[error(
        "`{netdev}` has no VFs; set uplink.make_vfs = true, or make them: `echo {wanted} > \
         /sys/class/net/{netdev}/device/sriov_numvfs`"
    )]
    NoVfs {
        /// The PF.
        netdev: String,
        /// So many are needed.
        wanted: u16,
    },
    /// The kernel makes VFs only when there are none.
    #[error(
        "`{netdev}` has {has} VFs, and VF {number} is wanted; VFs are made all at once: when nobody \
         uses them, `echo 0 > /sys/class/net/{netdev}/device/sriov_numvfs`, and start again with \
         uplink.make_vfs = true"
    )]
    TooFewVfs {
        /// The PF.
        netdev: String,
        /// How many there are.
        has: u16,
        /// The VF that is not.
        number: u16,
    },
    /// The NIC has not so many.
    #[error("VF {number} of `{netdev}` is wanted, which can have {total}; choose lower numbers")]
    TooManyVfs {
        /// The PF.
        netdev: String,
        /// The VF.
        number: u16,
        /// How many it can have.
        total: u16,
    },
    /// Nothing at this address.
    #[error(
        "there is no PCI device {0}; `lspci -D` lists those of this host: create the VF or correct \
         the address"
    )]
    NoFunction(PciAddress),
    /// Belongs to another PF.
    #[error("{address} is no VF of `{netdev}`; correct one of the two, or remove uplink.pf")]
    OtherPf {
        /// The function.
        address: PciAddress,
        /// The PF.
        netdev: String,
    },
    /// The driver is missing.
    #[error(
        "this kernel has no driver vfio-pci; load it: `modprobe vfio-pci`, and name it in \
         /etc/modules-load.d for the next boot"
    )]
    NoVfio,
    /// The function stays with another driver.
    #[error(
        "{address} could not be bound to vfio-pci, it has {}; `dmesg` tells why",
        driver.as_ref().map_or_else(|| "no driver".to_owned(), |name| format!("driver {name}"))
    )]
    NotBound {
        /// The function.
        address: PciAddress,
        /// The driver that it has.
        driver: Option<String>,
    },
    /// No IOMMU group.
    #[error("there is no IOMMU for {address}, and vfio does nothing without one; {advice}")]
    NoIommu {
        /// The function.
        address: PciAddress,
        /// What to do.
        advice: String,
    },
    /// One group for both instances.
    #[error(
        "{} and {} are both in IOMMU group {group}, which only one process can have; use functions \
         behind different ports of a switch or root complex that has ACS", of[0], of[1]
    )]
    SameGroup {
        /// The functions.
        of: [PciAddress; 2],
        /// Their group.
        group: u32,
    },
    /// Somebody else's function in the group.
    #[error(
        "IOMMU group {group} of {address} also has {other}, whose driver {driver} keeps vfio out; \
         bind that to vfio-pci too, or use a slot whose port has ACS"
    )]
    Foreign {
        /// The function that is wanted.
        address: PciAddress,
        /// Its group.
        group: u32,
        /// The function that is in the way.
        other: PciAddress,
        /// Its driver.
        driver: String,
    },
    /// Another program has the group.
    #[error(
        "{address} is in use: IOMMU group {group} is open in {}; end that, or choose another VF",
        Holder(holder.as_ref())
    )]
    Busy {
        /// The function.
        address: PciAddress,
        /// Its group.
        group: u32,
        /// Number and name of the process, as far as it can be found.
        holder: Option<(i32, String)>,
    },
    /// The group's device cannot be opened.
    #[error(
        "{address}: /dev/vfio/{group} cannot be opened: {error}; {}",
        remedy_of_open(error)
    )]
    NotOpened {
        /// The function.
        address: PciAddress,
        /// Its group.
        group: u32,
        /// What the kernel says.
        error: io::Error,
    },
    /// The kernel refuses a change.
    #[error("`{value}` cannot be written into {}: {error}; {}", file.display(), remedy_of_write(error))]
    Write {
        /// The attribute.
        file: PathBuf,
        /// What was to be written.
        value: String,
        /// What the kernel says.
        error: io::Error,
    },
    /// What was found cannot be written down.
    #[error(
        "what the devices were before cannot be kept in {}: {error}; nothing was changed: see to \
         supervisor.runtime_dir", file.display()
    )]
    Memory {
        /// Where.
        file: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
}

impl PciError {
    /// Somebody has the function.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// What is wrong, and what to do.
    pub(crate) fn into_parts(self) -> (String, String) {
        let line = self.to_string();
        match line.split_once("; ") {
            Some((problem, remedy)) => (problem.to_owned(), remedy.to_owned()),
            None => (line, String::new()),
        }
    }
}

struct Holder<'e>(Option<&'e (i32, String)>);

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((pid, name)) => write!(f, "process {pid} ({name})"),
            None => f.write_str("another process"),
        }
    }
}

fn remedy_of_open(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(ENOENT) => {
            "load the rest of vfio: `modprobe vfio_iommu_type1`; in a container, give it /dev/vfio"
        }
        Some(EACCES | EPERM) => "run vswsup as root, or allow it that device",
        Some(_) | None => "`dmesg` tells why",
    }
}

fn remedy_of_write(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(EACCES | EPERM | EROFS) => "run vswsup as root, with /sys writable",
        Some(EBUSY) => "somebody uses the device or its VFs: end that first",
        Some(_) | None => "`dmesg` tells why",
    }
}
