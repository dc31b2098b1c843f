//! What can go wrong with DPDK, and what to do about it.

use std::ffi::CStr;
use std::fmt;

/// An error number of DPDK: an `errno` or one of its own (`rte_errno.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub i32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: rte_strerror() returns a string of this thread that its next call overwrites.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(self.0)) };
        write!(f, "{}", text.to_string_lossy())
    }
}

/// Opening, configuring or closing something of DPDK failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpdkError {
    /// The file prefix would not do as part of a file name.
    #[error("DPDK file prefix {0:?}: use letters, digits, '.', '_' and '-'")]
    FilePrefix(String),
    /// Not the form of a PCI address.
    #[error("PCI address {0:?}: write domain:bus:device.function, such as 0000:01:10.0")]
    PciAddress(String),
    /// The CPU for the main lcore is missing or offline.
    #[error("there is no CPU {0} online: choose one of /sys/devices/system/cpu/online")]
    NoCpu(usize),
    /// A name or device arguments that cannot go to C, or that are too long for it.
    #[error("{0:?} is no name for DPDK: at most {max} bytes, none of them zero", max = super::eal::NAME_MAX)]
    Name(String),
    /// The EAL starts once in the life of a process.
    #[error(
        "DPDK was started in this process before; it can be started again only in a new process"
    )]
    AlreadyStarted,
    /// The memory asked for is not there as free huge pages.
    #[error(
        "DPDK wants {wanted_mib} MiB of huge pages and {free_mib} MiB are free: raise them with \
         `sysctl vm.nr_hugepages={nr_hugepages}` (pages of {page_kib} KiB), ask for less, or do without huge pages"
    )]
    HugePages {
        /// MiB asked for.
        wanted_mib: u64,
        /// MiB free, in pages of all sizes.
        free_mib: u64,
        /// What `vm.nr_hugepages` has to be, at least.
        nr_hugepages: u64,
        /// Size of a page of the default size in KiB.
        page_kib: u64,
    },
    /// A hugepage file cannot be DPDK's memory.
    #[error("memory file {number} {problem}")]
    MemoryFile {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// `rte_eal_init` failed for another reason.
    #[error("DPDK did not start: {code}{log}")]
    Start {
        /// What DPDK returned.
        code: Code,
        /// What it wrote meanwhile.
        log: Messages,
    },
    /// A mempool does not fit into DPDK's memory.
    #[error(
        "mempool {pool} of {mbufs} buffers for {size} bytes does not fit into DPDK's memory: \
         give DPDK more memory, or make the mempool smaller"
    )]
    NoMemory {
        /// The mempool.
        pool: String,
        /// Buffers asked for.
        mbufs: u32,
        /// Bytes for data in each.
        size: u16,
    },
    /// The netdev that the device arguments name is not in this network namespace.
    #[error(
        "network device {netdev:?} of {devargs:?} is not in this network namespace: create it or correct the name"
    )]
    NoNetdev {
        /// The netdev.
        netdev: String,
        /// Where it was named.
        devargs: String,
    },
    /// The netdev is there, but this process may not open packet sockets.
    #[error(
        "no privilege to use network device {netdev:?} of {devargs:?}: give this process CAP_NET_RAW, or run it as root"
    )]
    NoPrivilege {
        /// The netdev.
        netdev: String,
        /// Where it was named.
        devargs: String,
    },
    /// There is no such PCI device.
    #[error(
        "there is no PCI device {0}: see `lspci -D`; a VF appears when its PF's sriov_numvfs is set"
    )]
    NoPciDevice(String),
    /// The PCI device is there, but DPDK does not drive it.
    #[error(
        "DPDK has no access to PCI device {address}, whose kernel driver is {driver}: bind it to vfio-pci \
         (`dpdk-devbind.py -b vfio-pci {address}`) and name it in the PCI allow list{log}"
    )]
    PciDevice {
        /// Its address.
        address: String,
        /// The kernel driver that holds it, or `none`.
        driver: String,
        /// What DPDK wrote meanwhile.
        log: Messages,
    },
    /// The PCI device has the right driver, and still DPDK could not open it.
    #[error(
        "DPDK cannot open PCI device {address}, which is bound to vfio-pci; {trouble}: {code}{log}"
    )]
    PciRefused {
        /// Its address.
        address: String,
        /// What is in the way, and what to do.
        trouble: String,
        /// What DPDK returned.
        code: Code,
        /// What it wrote meanwhile.
        log: Messages,
    },
    /// DPDK could not open the device.
    #[error("DPDK cannot open device {devargs:?}, check its name and arguments: {code}{log}")]
    Probe {
        /// The device arguments.
        devargs: String,
        /// What DPDK returned.
        code: Code,
        /// What it wrote meanwhile.
        log: Messages,
    },
    /// The device has fewer queues than asked for.
    #[error("device {device} has {max} {direction} queues, not {wanted}: configure fewer")]
    Queues {
        /// The device.
        device: String,
        /// `receive` or `transmit`.
        direction: &'static str,
        /// Asked for.
        wanted: u16,
        /// There are.
        max: u16,
    },
    /// A received frame of this MTU would not fit into one buffer.
    #[error(
        "frames of MTU {mtu} take up to {frame} bytes and the mempool's buffers hold {room}: lower the MTU or enlarge the buffers"
    )]
    FrameTooLong {
        /// Asked for.
        mtu: u16,
        /// With header and VLAN tags.
        frame: u32,
        /// Bytes for data in one buffer.
        room: u32,
    },
    /// A call failed.
    #[error("{call} failed for {on}: {code}{log}")]
    Call {
        /// The function of DPDK.
        call: &'static str,
        /// The device or mempool.
        on: String,
        /// What it returned.
        code: Code,
        /// What DPDK wrote meanwhile.
        log: Messages,
    },
    /// Something in this process has the device open.
    #[error("device {0} is open already in this process: a device can be one uplink only")]
    AlreadyOpen(String),
    /// A lane still holds a queue of the device.
    #[error("the queues of {0} are still held by lanes: stop the lanes first")]
    QueuesInUse(String),
}

/// What DPDK wrote to its log during a call that failed, to be shown behind the error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Messages(pub String);

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self
            .0
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        write!(f, " (DPDK says: {})", lines.join("; "))
    }
}

/// The device's driver cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device's driver has no {0}")]
pub struct Unsupported(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_behind_the_error() {
        let log = Messages("EAL: no driver\n\nEAL: Cannot probe\n".into());
        let error = DpdkError::Probe {
            devargs: "net_x".into(),
            code: Code(19),
            log,
        };
        assert_eq!(
            error.to_string(),
            "DPDK cannot open device \"net_x\", check its name and arguments: No such device \
             (DPDK says: EAL: no driver; EAL: Cannot probe)"
        );
    }

    #[test]
    fn without_messages_nothing_is_added() {
        assert_eq!(Messages("\n".into()).to_string(), "");
    }
}
