//! Ethernet addresses in the configuration, and those that VFs at rest have.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::Side;
use crate::netlink::vf::Mac;

/// An Ethernet address of one station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(pub(super) Mac);

impl Address {
    /// The address of six bytes; `None` for a group's, and for none at all.
    #[must_use]
    pub fn new(bytes: [u8; 6]) -> Option<Self> {
        let one_station = bytes[0] & 1 == 0 && bytes != [0; 6];
        one_station.then_some(Self(bytes))
    }

    /// What the VF of a side has while it is at rest: the address in use with another first byte, which
    /// is locally administered (IEEE 802, bit 1 of the first byte) and names one station (bit 0).
    pub(super) fn at_rest(self, side: Side) -> Self {
        let first = match side {
            Side::A => 0x62,
            Side::B => 0x66,
        };
        let mut address = self.0;
        address[0] = if address[0] == first { 0x6a } else { first };
        Self(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no Ethernet address of one station; write one like \"52:54:00:12:34:56\""
            ))
        })
    }
}

fn parse(text: &str) -> Option<Address> {
    let mut bytes = text.split(':').map(byte);
    let mut address = [0; 6];
    for byte in &mut address {
        *byte = bytes.next()??;
    }
    bytes.next().is_none().then(|| Address::new(address))?
}

/// Two hexadecimal digits.
fn byte(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_station_are_read_and_shown() {
        let text = "52:54:00:12:34:5f";
        assert_eq!(parse(text).unwrap().to_string(), text);
        for wrong in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:00:12:34:5",
            "52:54:00:12:34:+5",
            "52:54:00:12:34:xx",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn at_rest_every_side_has_an_address_of_its_own() {
        for in_use in [
            "52:54:00:12:34:56",
            "62:54:00:12:34:56",
            "66:54:00:12:34:56",
        ] {
            let in_use = parse(in_use).unwrap();
            let [a, b] = Side::BOTH.map(|side| in_use.at_rest(side));
            assert!(a != b && a != in_use && b != in_use, "{in_use}: {a} {b}");
            assert_eq!((a.0[0] & 3, b.0[0] & 3), (2, 2), "one local station");
        }
    }
}
