//! The address of a PCI function.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Domain, bus, device and function, such as `0000:03:10.2`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PciAddress(String);

impl PciAddress {
    /// With or without the domain: `03:10.2` is `0000:03:10.2`. `None`: this is no such address.
    pub fn parse(text: &str) -> Option<Self> {
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
        fits.then(|| Self(format!("{domain}:{bus}:{device}.{function}").to_lowercase()))
    }

    /// As the kernel and DPDK write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PciAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(no_address(&text)))
    }
}

/// What is wrong with it, and what to do.
pub(crate) fn no_address(text: &str) -> String {
    format!(
        "`{}` is no PCI address; write one such as \"0000:03:10.0\" (`lspci -D` lists them)",
        text.escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_domain_and_is_in_lower_case() {
        for (text, address) in [
            ("0000:03:10.0", Some("0000:03:10.0")),
            ("03:1F.7", Some("0000:03:1f.7")),
            ("10000:03:10.0", None),
            ("0000:03:10", None),
            ("0000:03:10.x", None),
            ("0000:03/10.0", None),
            ("../../../..", None),
            ("", None),
            ("\u{e9}th0.\u{e9}", None),
        ] {
            let parsed = PciAddress::parse(text);
            assert_eq!(parsed.as_ref().map(PciAddress::as_str), address, "{text}");
        }
    }
}
