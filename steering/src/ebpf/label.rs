//! The names of our filters, which are all the state that is kept about an installation.
//!
//! `vswsup steering 1 nic` and `vswsup steering 1 to 7` (7: the NIC's interface index), with ` +clsact`
//! at the end where the qdisc was added with the filter and goes with it.

use std::fmt;

const PREFIX: &str = "vswsup steering ";
/// The version of the map's layout and of these names.
const VERSION: &str = "1 ";
const NIC: &str = "nic";
const TO: &str = "to ";
const MADE_CLSACT: &str = " +clsact";

/// What a device is in a software NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The NIC.
    Nic,
    /// A port of the NIC with this interface index.
    PortOf(u32),
}

/// A name of ours, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) role: Role,
    pub(super) made_clsact: bool,
}

/// Is this a name of ours, of whatever version?
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

impl Label {
    /// Reads a name; `None` if it is not one of this version.
    pub(super) fn read(name: &str) -> Option<Self> {
        let text = name.strip_prefix(PREFIX)?.strip_prefix(VERSION)?;
        let role = text.strip_suffix(MADE_CLSACT);
        Some(Self {
            role: Role::read(role.unwrap_or(text))?,
            made_clsact: role.is_some(),
        })
    }
}

impl Role {
    fn read(text: &str) -> Option<Self> {
        match text.strip_prefix(TO) {
            Some(index) => index.parse().ok().map(Role::PortOf),
            None => (text == NIC).then_some(Role::Nic),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{VERSION}")?;
        match self.role {
            Role::Nic => f.write_str(NIC)?,
            Role::PortOf(nic) => write!(f, "{TO}{nic}")?,
        }
        f.write_str(if self.made_clsact { MADE_CLSACT } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        for role in [Role::Nic, Role::PortOf(7), Role::PortOf(u32::MAX)] {
            for made_clsact in [false, true] {
                let label = Label { role, made_clsact };
                assert_eq!(Label::read(&label.to_string()), Some(label));
            }
        }
    }

    #[test]
    fn names_of_others_and_of_other_versions_do_not_read() {
        for name in [
            "",
            "nic",
            "vswsup steering 2 nic",
            "vswsup steering 1 to x",
            "vswsup steering 1",
        ] {
            assert_eq!(Label::read(name), None, "{name}");
        }
        assert!(is_ours("vswsup steering 2 nic") && !is_ours("cilium"));
    }
}
