//! What an uplink's device arguments lead to.

use crate::config::{Config, Devices};
use crate::pci::PciAddress;
use nix::net::if_::if_nametoindex;

/// Virtual devices of DPDK whose `iface=` names a network device that must exist.
const ON_A_NETDEV: [&str; 3] = ["net_af_packet", "net_af_xdp", "net_pcap"];

/// What an uplink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    /// A PCI device.
    Pci(PciAddress),
    /// A virtual device of DPDK on this network device.
    Netdev(String),
    /// Any other virtual device of DPDK.
    Virtual(String),
}

impl Device {
    /// `None`: these are no device arguments.
    pub(crate) fn parse(arguments: &str) -> Option<Self> {
        let (name, rest) = arguments.split_once(',').unwrap_or((arguments, ""));
        if let Some(address) = PciAddress::parse(name) {
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

/// The devices that the configuration names by DPDK device arguments, as far as they are any.
pub(super) fn named_by_arguments(config: &Config) -> Vec<Device> {
    let devices = config.uplink.as_ref().map(|uplink| uplink.devices());
    match devices {
        Some(Devices::Arguments(both)) => both.into_iter().filter_map(Device::parse).collect(),
        Some(Devices::Functions(_)) | None => Vec::new(),
    }
}

/// Whether an uplink is a PCI device, which vfio gives to its instance.
pub(super) fn is_any_pci(config: &Config) -> bool {
    let functions = config.uplink.as_ref().and_then(|uplink| uplink.wanted());
    let by_arguments = named_by_arguments(config);
    functions.is_some() || by_arguments.iter().any(|one| matches!(one, Device::Pci(_)))
}

/// Whether there is a network device of this name in the thread's network namespace.
pub(crate) fn netdev_exists(name: &str) -> bool {
    if_nametoindex(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_arguments_are_told_apart() {
        let pci = |address: &str| Some(Device::Pci(PciAddress::parse(address).unwrap()));
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
    }
}
