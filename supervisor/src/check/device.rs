//! What an uplink's device arguments lead to.

use nix::net::if_::if_nametoindex;
use std::path::Path;

/// Virtual devices of DPDK whose `iface=` names a network device that must exist.
const ON_A_NETDEV: [&str; 3] = ["net_af_packet", "net_af_xdp", "net_pcap"];

/// What an uplink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Device {
    /// A PCI device, by its full address.
    Pci(String),
    /// A virtual device of DPDK on this network device.
    Netdev(String),
    /// Any other virtual device of DPDK.
    Virtual(String),
}

impl Device {
    /// `None`: these are no device arguments.
    pub(super) fn parse(arguments: &str) -> Option<Self> {
        let (name, rest) = arguments.split_once(',').unwrap_or((arguments, ""));
        if let Some(address) = pci_address(name) {
            return Some(Self::Pci(address));
        }
        let driver = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !driver.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_word) {
            return None;
        }
        let interface = rest.split(',').find_map(|pair| pair.strip_prefix("iface="));
        match interface.filter(|_| ON_A_NETDEV.contains(&driver)) {
            Some(interface) => Some(Self::Netdev(interface.to_owned())),
            None => Some(Self::Virtual(name.to_owned())),
        }
    }
}

/// `03:10.0` or `0000:03:10.0`, with its domain.
fn pci_address(text: &str) -> Option<String> {
    let (slot, function) = text.rsplit_once('.')?;
    let parts: Vec<_> = slot.split(':').collect();
    let (domain, bus, device) = match parts[..] {
        [bus, device] => ("0000", bus, device),
        [domain, bus, device] => (domain, bus, device),
        _ => return None,
    };
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    let fits = hex(domain, 4) && hex(bus, 2) && hex(device, 2) && hex(function, 1);
    fits.then(|| format!("{domain}:{bus}:{device}.{function}").to_lowercase())
}

/// Whether there is a network device of this name in the thread's network namespace.
pub(super) fn netdev_exists(name: &str) -> bool {
    if_nametoindex(name).is_ok()
}

/// The name of the kernel driver that a PCI device is bound to, if it is bound. `None`: there is
/// no such device.
pub(super) fn pci_driver(address: &str) -> Option<Option<String>> {
    let device = Path::new("/sys/bus/pci/devices").join(address);
    if !device.exists() {
        return None;
    }
    let driver = device.join("driver").read_link().ok();
    let name = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_arguments_are_told_apart() {
        let pci = |address: &str| Some(Device::Pci(address.to_owned()));
        let netdev = |name: &str| Some(Device::Netdev(name.to_owned()));
        let other = |name: &str| Some(Device::Virtual(name.to_owned()));
        for (arguments, device) in [
            ("0000:03:10.0", pci("0000:03:10.0")),
            ("03:1F.7,queues=2", pci("0000:03:1f.7")),
            ("net_af_packet0,iface=vf0", netdev("vf0")),
            ("net_af_packet0,qpairs=1,iface=vf0", netdev("vf0")),
            ("net_tap0,iface=new0", other("net_tap0")),
            ("net_null1", other("net_null1")),
            ("0000:03:10", None),
            ("000:03:10.0", None),
            ("vf 0", None),
            ("", None),
            ("\u{e9}th0.\u{e9}", None),
        ] {
            assert_eq!(Device::parse(arguments), device, "{arguments}");
        }
    }

    #[test]
    fn the_loopback_device_exists_and_an_invented_one_does_not() {
        assert!(netdev_exists("lo"));
        assert!(!netdev_exists("not-here-0"));
        assert_eq!(pci_driver("ffff:ff:1f.7"), None);
    }
}
