//! What can go wrong in the backends `sriov-mac` and `sriov-vlan`.

use std::{fmt, io};

use super::Vlan;
use crate::netdev::NetdevError;

/// The VFs could not be steered.
#[derive(Debug, thiserror::Error)]
pub enum SriovError {
    /// The PF cannot be used.
    #[error(transparent)]
    Netdev(#[from] NetdevError),
    /// There are fewer VFs.
    #[error(
        "steering.vfs: `{pf}` has no VF {vf}, for it has {count} VFs (their numbers begin at 0); \
         make them: echo NUMBER > /sys/class/net/{pf}/device/sriov_numvfs, or name a PF whose VFs are there"
    )]
    NoVf {
        /// The PF.
        pf: String,
        /// The VF's number.
        vf: u32,
        /// So many there are.
        count: u32,
    },
    /// The driver shows no VFs, though it has some.
    #[error(
        "the driver of `{pf}` does not show the settings of its {count} VFs; if it is in switchdev mode, \
         set it to legacy, or use the backend \"tc-flower\" if docs/steering.md says that the driver can"
    )]
    Hidden {
        /// The PF.
        pf: String,
        /// So many there are.
        count: u32,
    },
    /// The driver cannot move a VF that is running.
    #[error(
        "steering.pf: the driver of `{pf}`, {driver}, resets a VF whose address or VLAN is set, so that its \
         traffic stops; use another backend: docs/steering.md says which"
    )]
    Resets {
        /// The PF.
        pf: String,
        /// The driver.
        driver: String,
    },
    /// The VF is in a VLAN that could not be given back.
    #[error(
        "VF {vf} of `{pf}` is in a port VLAN of IEEE 802.1ad, which could not be given back; take it out: \
         ip link set {pf} vf {vf} vlan 0"
    )]
    Stacked {
        /// The PF.
        pf: String,
        /// The VF's number.
        vf: u32,
    },
    /// One VF for both.
    #[error("steering.vfs: both sides have VF {vf} of `{pf}`; give each its own")]
    SameVf {
        /// The PF.
        pf: String,
        /// The VF's number.
        vf: u32,
    },
    /// One VLAN for both.
    #[error(
        "steering.vlan_at_rest: {} is the VLAN in use; name one in which nobody is", vlan.number()
    )]
    SameVlan {
        /// The VLAN.
        vlan: Vlan,
    },
    /// The VF in use cannot be told from the other.
    #[error(
        "VF {} and VF {} of `{pf}` are both in use, and are given each packet twice: somebody else set \
         them; start the supervisor again to correct it, and see: ip link show {pf}", vfs[0], vfs[1]
    )]
    Twins {
        /// The PF.
        pf: String,
        /// The VFs.
        vfs: [u32; 2],
    },
    /// The VFs no longer have what they were given.
    #[error(
        "neither VF {} nor VF {} of `{pf}` is in use any more: the VFs were made anew, or somebody else \
         set them; start the supervisor again to correct it, and see: ip link show {pf}", vfs[0], vfs[1]
    )]
    Forgotten {
        /// The PF.
        pf: String,
        /// The VFs.
        vfs: [u32; 2],
    },
    /// Somebody switched something on that stops packets.
    #[error(
        "somebody else changed spoof checking, trust or link state of VF {vf} of `{pf}`; \
         start the supervisor again to correct it, and see: ip link show {pf}"
    )]
    Changed {
        /// The PF.
        pf: String,
        /// The VF's number.
        vf: u32,
    },
    /// The driver said yes and did not do it.
    #[error(
        "the driver of `{pf}` took the setting of VF {vf} and did not keep it; see its messages: dmesg"
    )]
    NotSet {
        /// The PF.
        pf: String,
        /// The VF's number.
        vf: u32,
    },
    /// The kernel or the driver refused.
    #[error("could not {doing} of `{pf}`: {source}{}", needs(source))]
    Failed {
        /// What was attempted.
        doing: Doing,
        /// The PF.
        pf: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A request to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// All VFs and their settings.
    ReadVfs,
    /// What tells the VF in use from the other.
    Move,
    /// Spoof checking, trust and link state.
    SetRights,
    /// All that was found.
    GiveBack,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadVfs => "read the VFs",
            Self::Move => "set addresses or VLANs of the VFs",
            Self::SetRights => "set spoof checking, trust and link state of the VFs",
            Self::GiveBack => "give back the settings of the VFs",
        })
    }
}

fn needs(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "; the process needs CAP_NET_ADMIN"
    } else if error.kind() == io::ErrorKind::Unsupported {
        "; this driver, or its mode, has no such operation"
    } else {
        "; the driver may have said why: dmesg"
    }
}
