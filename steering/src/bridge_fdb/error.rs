//! What can go wrong in the backend `bridge-fdb`.

use std::io;

use crate::Side;
use crate::netdev::NetdevError;

/// The bridge could not be steered.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// A configured device cannot be used.
    #[error(transparent)]
    Netdev(#[from] NetdevError),
    /// A port is in no bridge.
    #[error(
        "steering.ports.{side}: `{port}` is no port of a Linux bridge, or is gone; make it one: \
         ip link set {port} master BRIDGE"
    )]
    NoPort {
        /// Whose it is.
        side: Side,
        /// The device.
        port: String,
    },
    /// The ports belong to two bridges.
    #[error(
        "steering.ports: `{}` and `{}` are ports of two bridges; both must be in the one that leads \
         to the wire", ports[0], ports[1]
    )]
    TwoBridges {
        /// The devices.
        ports: [String; 2],
    },
    /// The bridge gives groups only to their members, which do not move with the addresses.
    #[error(
        "the bridge of `{port}` snoops on IGMP, and who has joined a group cannot be moved to another \
         port; switch it off: ip link set BRIDGE type bridge mcast_snooping 0"
    )]
    Snooping {
        /// One of its ports.
        port: String,
    },
    /// Addresses appear behind the port as fast as they are moved away.
    #[error(
        "addresses are added to `{port}` as fast as they are moved away from it, though it learns none: \
         who adds them? see: bridge monitor fdb"
    )]
    Restless {
        /// The device.
        port: String,
    },
    /// The bridge gives the port nothing.
    #[error(
        "the bridge does not forward to `{port}`: it has no carrier, or the spanning tree blocks it; \
         see: bridge -d link show dev {port}"
    )]
    Blocked {
        /// The device.
        port: String,
    },
    /// The flags of the ports are none that this backend leaves.
    #[error(
        "somebody else changed the flags of the bridge ports `{}` and `{}`, so that nobody can tell \
         which one is in use; give both the kernel's defaults, then start the supervisor again: \
         ip link set PORT type bridge_slave learning on flood on mcast_flood on bcast_flood on",
         ports[0], ports[1]
    )]
    Strange {
        /// The devices.
        ports: [String; 2],
    },
    /// The kernel refused.
    #[error("could not {doing} of `{port}`: {source}{}", needs(source))]
    Failed {
        /// What was attempted.
        doing: Doing,
        /// The device.
        port: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A request to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// The port as the bridge has it.
    ReadPort,
    /// Learning and flooding.
    SetFlags,
    /// The addresses behind the port.
    ReadAddresses,
    /// An address of the other port.
    MoveAddress,
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ReadPort => "read the state",
            Self::SetFlags => "set learning and flooding",
            Self::ReadAddresses => "list the addresses",
            Self::MoveAddress => "move an address to the other port",
        })
    }
}

fn needs(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "; the process needs CAP_NET_ADMIN"
    } else {
        ""
    }
}
