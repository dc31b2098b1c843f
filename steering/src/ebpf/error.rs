//! What can go wrong in the backend `ebpf`.

use std::error::Error;
use std::{fmt, io, iter};

use crate::netdev::NetdevError;

/// The software NIC could not be installed, moved or removed.
#[derive(Debug, thiserror::Error)]
pub enum EbpfError {
    /// A configured device cannot be used.
    #[error(transparent)]
    Netdev(#[from] NetdevError),
    /// The NIC serves a pair with other ports.
    #[error(
        "steering.nic: `{nic}` already delivers to the port `{port}`, which is not in this place of \
         the configuration; name the same ports in the same order, or take the other pair out of \
         service, or free the NIC by hand: tc filter del dev {nic} ingress pref 1"
    )]
    OtherPorts {
        /// The NIC.
        nic: String,
        /// A port that it serves.
        port: String,
    },
    /// The device has a part in another software NIC.
    #[error(
        "`{device}` already has a part in another software NIC (its tc filter is `{filter}`); name \
         another device, or take that pair out of service, or free the device by hand: \
         tc filter del dev {device} ingress pref 1"
    )]
    OtherPair {
        /// The device.
        device: String,
        /// Name of its filter.
        filter: String,
    },
    /// A filter of somebody else runs before ours could.
    #[error(
        "`{device}` has the tc filter `{filter}` of another program with priority 1, which would see \
         packets first; remove it, or give it a higher number: tc filter show dev {device} ingress"
    )]
    Foreign {
        /// The device.
        device: String,
        /// Name or kind of the filter.
        filter: String,
    },
    /// The filter was left by a version that keeps its map in another way.
    #[error(
        "`{device}` has the tc filter `{filter}` of another version of vswsup, which this one cannot \
         take over; close it with that version, or remove it: tc filter del dev {device} ingress pref 1"
    )]
    OtherVersion {
        /// The device.
        device: String,
        /// Name of the filter.
        filter: String,
    },
    /// What was installed is gone.
    #[error(
        "`{name}` is no longer part of the software NIC: its tc filter was removed or replaced, or the \
         device was created anew; start the supervisor again to repair it"
    )]
    Detached {
        /// The device.
        name: String,
    },
    /// The map holds a side that no version writes.
    #[error("the steering map names side {value}; steer to a or b to correct it")]
    StrangeSide {
        /// The value in the map.
        value: u32,
    },
    /// The process may not do this.
    #[error("could not {doing}: permission denied; the process needs {}", doing.needs())]
    Privilege {
        /// What was attempted.
        doing: Doing,
    },
    /// The kernel refused.
    #[error("could not {doing}: {}", chain(source.as_ref()))]
    Failed {
        /// What was attempted.
        doing: Doing,
        /// What the kernel said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// A netlink socket.
    OpenNetlink,
    /// A question for the filters of a device.
    ListFilters(String),
    /// A filter and its qdisc on a device.
    Attach(String),
    /// Their removal.
    Detach(String),
    /// The BPF programs and their map.
    Load,
    /// The map of programs that an earlier process attached.
    TakeOver,
    /// The map's entries.
    ReadMap,
    /// The map's entries.
    WriteMap,
}

impl Doing {
    /// Turns what the kernel said into the error.
    pub(super) fn failed<E>(self) -> impl FnOnce(E) -> EbpfError
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |error| {
            let source = error.into();
            if is_denied(source.as_ref()) {
                EbpfError::Privilege { doing: self }
            } else {
                EbpfError::Failed {
                    doing: self,
                    source,
                }
            }
        }
    }

    fn needs(&self) -> &'static str {
        match self {
            Doing::Attach(_) | Doing::Detach(_) => "CAP_NET_ADMIN",
            Doing::Load | Doing::ReadMap | Doing::WriteMap => "CAP_BPF and CAP_NET_ADMIN",
            Doing::TakeOver => "CAP_SYS_ADMIN (only to take over from an earlier process)",
            Doing::OpenNetlink | Doing::ListFilters(_) => {
                "netlink sockets (does a seccomp filter or RestrictAddressFamilies= forbid them?)"
            }
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::OpenNetlink => f.write_str("open a netlink socket"),
            Doing::ListFilters(device) => write!(f, "list the tc filters of `{device}`"),
            Doing::Attach(device) => write!(
                f,
                "attach a tc filter to `{device}` (with the kernel's sch_ingress and cls_bpf)"
            ),
            Doing::Detach(device) => write!(f, "remove the tc filter of `{device}`"),
            Doing::Load => f.write_str("load the steering programs into the kernel"),
            Doing::TakeOver => f.write_str("find the steering map that is in use"),
            Doing::ReadMap => f.write_str("read the steering map"),
            Doing::WriteMap => f.write_str("write the steering map"),
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

fn is_denied(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// The message with those of its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
