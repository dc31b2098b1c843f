//! From DPDK's terse failures to what is missing on the host.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::error::{Code, Messages};
use super::{DpdkError, EalConfig, Memory, vfio};

/// Other kernel drivers than vfio-pci under which DPDK can use a PCI device.
const USABLE: &[&str] = &["uio_pci_generic", "igb_uio", "mlx4_core", "mlx5_core"];

/// Why `rte_eal_init` failed.
pub(super) fn start(config: &EalConfig, code: Code, log: Messages) -> DpdkError {
    if code.0 == libc::EALREADY {
        return DpdkError::AlreadyStarted;
    }
    let short = match config.memory {
        Memory::HugePages { mib } => HugePages::of_this_host().shortage(mib.into()),
        Memory::Ordinary { .. } | Memory::Files => None,
    };
    short.unwrap_or(DpdkError::Start { code, log })
}

/// Why `rte_dev_probe` failed.
pub(super) fn probe(devargs: &str, code: Code, log: Messages) -> DpdkError {
    let name = devargs.split(',').next().unwrap_or_default();
    if is_pci_address(name) {
        return pci(name, devargs, code, log);
    }
    netdev(devargs)
        .and_then(|netdev| packet_socket(netdev, devargs))
        .unwrap_or_else(|| DpdkError::Probe {
            devargs: devargs.to_owned(),
            code,
            log,
        })
}

/// What keeps `net_af_packet` from `netdev`, if something does; the driver itself does not tell.
fn packet_socket(netdev: &str, devargs: &str) -> Option<DpdkError> {
    let (netdev, devargs) = (netdev.to_owned(), devargs.to_owned());
    if if_nametoindex(netdev.as_str()).is_err() {
        return Some(DpdkError::NoNetdev { netdev, devargs });
    }
    match socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        None,
    ) {
        Err(Errno::EPERM) => Some(DpdkError::NoPrivilege { netdev, devargs }),
        Ok(_) | Err(_) => None,
    }
}

fn pci(address: &str, devargs: &str, code: Code, log: Messages) -> DpdkError {
    let device = Path::new("/sys/bus/pci/devices").join(address);
    if !device.exists() {
        return DpdkError::NoPciDevice(address.to_owned());
    }
    let driver = fs::read_link(device.join("driver")).ok();
    let driver = driver
        .as_deref()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    match driver {
        Some(vfio::DRIVER) => DpdkError::PciRefused {
            address: address.to_owned(),
            trouble: vfio::trouble(&device),
            code,
            log,
        },
        Some(driver) if USABLE.contains(&driver) => DpdkError::Probe {
            devargs: devargs.to_owned(),
            code,
            log,
        },
        Some(_) | None => DpdkError::PciDevice {
            address: address.to_owned(),
            driver: driver.unwrap_or("none").to_owned(),
            log,
        },
    }
}

/// `0000:01:10.0`
fn is_pci_address(name: &str) -> bool {
    let hex = |c: char| c.is_ascii_hexdigit();
    name.split([':', '.']).count() == 4 && name.split([':', '.']).all(|part| part.chars().all(hex))
}

/// The netdev that `net_af_packet` or `net_af_xdp` is to use.
fn netdev(devargs: &str) -> Option<&str> {
    devargs
        .split(',')
        .find_map(|argument| argument.strip_prefix("iface="))
}

/// The host's huge pages, in KiB or pages of the default size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HugePages {
    free_kib: u64,
    page_kib: u64,
    nr: u64,
}

impl HugePages {
    fn of_this_host() -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let page_kib = meminfo_value(&meminfo, "Hugepagesize:").unwrap_or(2048);
        let nr = meminfo_value(&meminfo, "HugePages_Total:").unwrap_or(0);
        Self {
            free_kib: free_kib(),
            page_kib: page_kib.max(1),
            nr,
        }
    }

    fn shortage(self, wanted_mib: u64) -> Option<DpdkError> {
        let missing_kib = (wanted_mib * 1024).saturating_sub(self.free_kib);
        (missing_kib > 0).then(|| DpdkError::HugePages {
            wanted_mib,
            free_mib: self.free_kib / 1024,
            nr_hugepages: self.nr + missing_kib.div_ceil(self.page_kib),
            page_kib: self.page_kib,
        })
    }
}

fn meminfo_value(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Free and unreserved huge pages of all sizes (kernel, `admin-guide/mm/hugetlbpage.rst`).
fn free_kib() -> u64 {
    let pools = fs::read_dir("/sys/kernel/mm/hugepages")
        .into_iter()
        .flatten()
        .flatten();
    pools.filter_map(|pool| pool_free_kib(&pool.path())).sum()
}

fn pool_free_kib(pool: &Path) -> Option<u64> {
    let size = pool
        .file_name()?
        .to_str()?
        .strip_prefix("hugepages-")?
        .strip_suffix("kB")?;
    let pages = |file| {
        fs::read_to_string(pool.join(file))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let free = pages("free_hugepages")?.saturating_sub(pages("resv_hugepages")?);
    Some(size.parse::<u64>().ok()? * free)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown() -> (Code, Messages) {
        (Code(libc::ENODEV), Messages::default())
    }

    #[test]
    fn a_shortage_says_how_many_pages_to_set() {
        let pages = HugePages {
            free_kib: 20 * 1024,
            page_kib: 2048,
            nr: 16,
        };
        let error = pages.shortage(65).expect("45 MiB are missing");
        let text = error.to_string();
        assert!(text.contains("65 MiB") && text.contains("20 MiB"), "{text}");
        assert!(text.contains("vm.nr_hugepages=39`"), "{text}");
    }

    #[test]
    fn enough_pages_are_no_shortage() {
        let pages = HugePages {
            free_kib: 64 * 1024,
            page_kib: 2048,
            nr: 32,
        };
        assert_eq!(pages.shortage(64), None);
    }

    #[test]
    fn a_missing_netdev_is_named() {
        let (code, log) = unknown();
        let error = probe("net_af_packet0,iface=nowhere0,qpairs=1", code, log);
        assert!(
            matches!(&error, DpdkError::NoNetdev { netdev, .. } if netdev == "nowhere0"),
            "{error}"
        );
    }

    #[test]
    fn a_netdev_that_exists_is_not_blamed() {
        let (code, log) = unknown();
        let error = probe("net_af_packet0,iface=lo", code, log);
        assert!(!matches!(error, DpdkError::NoNetdev { .. }), "{error}");
    }

    #[test]
    fn a_missing_pci_device_is_named() {
        let (code, log) = unknown();
        let error = probe("ffff:ff:1f.7", code, log);
        assert_eq!(error, DpdkError::NoPciDevice("ffff:ff:1f.7".into()));
    }
}
