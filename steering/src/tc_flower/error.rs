//! What can go wrong in the backend `tc-flower`.

use std::{fmt, io};

use crate::Side;
use crate::netdev::NetdevError;

/// The switch could not be steered.
#[derive(Debug, thiserror::Error)]
pub enum TcFlowerError {
    /// A configured device cannot be used.
    #[error(transparent)]
    Netdev(#[from] NetdevError),
    /// The NIC's switch switches by itself.
    #[error(
        "the switch of `{uplink}` is in legacy mode; set it to switchdev, with the VFs' drivers unbound: \
         devlink dev eswitch set {device} mode switchdev"
    )]
    Legacy {
        /// The device of the port to the wire.
        uplink: String,
        /// What devlink calls it.
        device: String,
    },
    /// The NIC has no switch that could be programmed.
    #[error(
        "`{uplink}` does not tell the mode of its switch ({source}), so it can carry out no rules; name \
         the PF of a NIC with switchdev, or let the kernel do it: hardware = false"
    )]
    NoSwitch {
        /// The device of the port to the wire.
        uplink: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A VF has no representor.
    #[error(
        "steering.vfs: the switch of `{uplink}` has no representor of VF {vf}; make the VF \
         (echo NUMBER > /sys/class/net/{uplink}/device/sriov_numvfs), or name the representors: \
         ports = {{ a = \"...\", b = \"...\" }}; see: devlink port show"
    )]
    NoRepresentor {
        /// The device of the port to the wire.
        uplink: String,
        /// The VF's number.
        vf: u32,
    },
    /// More than one device could be meant.
    #[error(
        "steering.vfs: {} could each be the representor of VF {vf}; name the representors: \
         ports = {{ a = \"...\", b = \"...\" }}", names.join(" and ")
    )]
    Ambiguous {
        /// The VF's number.
        vf: u32,
        /// The devices.
        names: Vec<String>,
    },
    /// A filter of somebody else runs before ours could, or in its place.
    #[error(
        "`{device}` has a tc filter ({kind}) of another program with priority {priority}; remove it, or \
         give it a higher number: tc filter show dev {device} ingress"
    )]
    Foreign {
        /// The device.
        device: String,
        /// The filter's kind.
        kind: String,
        /// Its priority.
        priority: u16,
    },
    /// The rule was left by a version that arranges rules in another way.
    #[error(
        "`{device}` has a tc filter of another version of vswsup, which this one cannot take over; close \
         it with that version, or remove it: tc filter del dev {device} ingress pref {priority}"
    )]
    OtherVersion {
        /// The device.
        device: String,
        /// The filter's priority.
        priority: u16,
    },
    /// The device serves another pair.
    #[error(
        "the tc filter on `{device}` leads to `{to}`, which is not in this place of the configuration; \
         name the same devices, or take the other pair out of service, or remove the filter by hand: \
         tc filter del dev {device} ingress pref {priority}"
    )]
    OtherPair {
        /// The device.
        device: String,
        /// Where its rule leads to.
        to: String,
        /// The rule's priority.
        priority: u16,
    },
    /// What was installed is gone.
    #[error(
        "the tc filter of `{device}` to `{to}` was removed; start the supervisor again to repair it"
    )]
    Detached {
        /// The device.
        device: String,
        /// Where its rule led to.
        to: String,
    },
    /// The rule is there, and is not carried out as it should be.
    #[error(
        "the tc filter of `{device}` to `{to}` is not carried out as configured (steering.hardware), or \
         `{to}` was created anew; start the supervisor again to repair it, and see: \
         tc -s filter show dev {device} ingress"
    )]
    Broken {
        /// The device.
        device: String,
        /// Where its rule leads to.
        to: String,
    },
    /// The kernel said yes, and it is not so.
    #[error(
        "packets of `{uplink}` are not delivered to {side}, though the kernel took the rule: who else \
         changes its filters? see: tc filter show dev {uplink} ingress"
    )]
    NotMoved {
        /// The device of the port to the wire.
        uplink: String,
        /// Where they should be.
        side: Side,
    },
    /// The kernel or the driver refused.
    #[error("could not {doing} of `{device}`: {source}{}", doing.needs(source))]
    Failed {
        /// What was attempted.
        doing: Doing,
        /// The device.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A request to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// The switch that a device belongs to.
    ReadSwitch,
    /// The filters of a device.
    ListFilters,
    /// The qdisc that has the filters.
    AddClsact,
    /// A rule that leads to another device.
    PutRule,
    /// Its removal.
    DeleteRule,
}

impl Doing {
    fn needs(self, error: &io::Error) -> &'static str {
        match self {
            Self::ReadSwitch | Self::ListFilters => "",
            Self::AddClsact | Self::DeleteRule => change_needs(error.kind()),
            Self::PutRule => rule_needs(error.kind()),
        }
    }
}

fn change_needs(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::PermissionDenied {
        "; the process needs CAP_NET_ADMIN"
    } else if kind == io::ErrorKind::NotFound {
        "; the kernel needs sch_ingress, cls_flower and act_mirred"
    } else {
        "; the driver may have said why: dmesg"
    }
}

fn rule_needs(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::Unsupported {
        "; does the NIC take filters (ethtool -K DEVICE hw-tc-offload on), and rules that match everything \
         (docs/steering.md)?"
    } else if kind == io::ErrorKind::StorageFull {
        "; the NIC's table is full: remove rules of others"
    } else {
        change_needs(kind)
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadSwitch => "read the switch",
            Self::ListFilters => "list the tc filters",
            Self::AddClsact => "add the tc qdisc clsact",
            Self::PutRule => "put a tc filter on the ingress",
            Self::DeleteRule => "remove a tc filter from the ingress",
        })
    }
}
