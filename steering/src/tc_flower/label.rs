//! What our rules are told by: the cookie of their action, which is all the state that is kept about an
//! installation.
//!
//! `vswsup 1 a` and `vswsup 1 b` on the uplink, `vswsup 1 wire` on the representors, with `+` at the
//! end where the qdisc was added with the rule and goes with it. The kernel has room for 16 bytes
//! (`TC_COOKIE_MAX_SIZE`).

use std::fmt;

use crate::Side;
use crate::netlink::tc::Place;

const PREFIX: &str = "vswsup ";
/// The version of this arrangement.
const VERSION: &str = "1 ";
const WIRE: &str = "wire";
const MADE_CLSACT: &str = "+";

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// From the wire to a side.
    Side(Side),
    /// From a side to the wire.
    Wire,
}

/// A label of ours, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) role: Role,
    pub(super) made_clsact: bool,
}

impl Role {
    /// The rule of `b` comes before that of `a`, which therefore may stay for ever: to have `b`'s rule
    /// or not is the whole difference between the sides.
    pub(super) fn place(self) -> Place {
        let priority = match self {
            Self::Side(Side::B) | Self::Wire => 1,
            Self::Side(Side::A) => 2,
        };
        Place {
            priority,
            handle: 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Side(side) => side.name(),
            Self::Wire => WIRE,
        }
    }

    fn read(name: &str) -> Option<Self> {
        [Self::Side(Side::A), Self::Side(Side::B), Self::Wire]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// Is this a cookie of ours, of whatever version?
pub(super) fn is_ours(cookie: &[u8]) -> bool {
    cookie.starts_with(PREFIX.as_bytes())
}

impl Label {
    /// Reads a cookie; `None` if it is not one of this version.
    pub(super) fn read(cookie: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(cookie).ok()?;
        let text = text.strip_prefix(PREFIX)?.strip_prefix(VERSION)?;
        let role = text.strip_suffix(MADE_CLSACT);
        Some(Self {
            role: Role::read(role.unwrap_or(text))?,
            made_clsact: role.is_some(),
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.made_clsact { MADE_CLSACT } else { "" };
        write!(f, "{PREFIX}{VERSION}{}{end}", self.role.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_back_and_fits_into_a_cookie() {
        for role in [Role::Side(Side::A), Role::Side(Side::B), Role::Wire] {
            for made_clsact in [false, true] {
                let label = Label { role, made_clsact };
                let cookie = label.to_string();
                assert!(cookie.len() <= 16, "{cookie}");
                assert_eq!(Label::read(cookie.as_bytes()), Some(label));
            }
        }
    }

    #[test]
    fn cookies_of_others_and_of_other_versions_do_not_read() {
        for cookie in [
            "",
            "a",
            "vswsup 2 a",
            "vswsup 1 ",
            "vswsup 1 c",
            "vswsup 1 a++",
        ] {
            assert_eq!(Label::read(cookie.as_bytes()), None, "{cookie}");
        }
        assert_eq!(Label::read(b"\xff\xfe"), None);
        assert!(is_ours(b"vswsup 2 a") && !is_ours(b"\x01\x02"));
    }
}
