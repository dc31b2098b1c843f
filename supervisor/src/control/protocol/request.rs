//! What the command line asks for.

use crate::config::Port;
use serde::{Deserialize, Serialize};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Who is what. Answered by [`super::Response::Status`].
    Status,
    /// Make the standby the active one. Answered by [`super::Response::Promoted`] when it is.
    Promote {
        /// The old way: close the vhost-user connections, so that the front ends connect again.
        reconnect: bool,
    },
    /// A new port. Answered by [`super::Response::Done`].
    PortAdd {
        /// As in the configuration.
        port: Port,
    },
    /// Close the port's device and forget the port. Answered by [`super::Response::Done`].
    PortDel {
        /// Its name.
        name: String,
    },
    /// All ports. Answered by [`super::Response::Ports`].
    PortList,
    /// The devices that are connected. Answered by [`super::Response::Devices`].
    DeviceList,
    /// One device. Answered by [`super::Response::Device`].
    DeviceShow {
        /// The name of its port.
        port: String,
    },
    /// The last moves and starts, newest last. Answered by [`super::Response::History`].
    History {
        /// At most so many.
        limit: u32,
    },
    /// Put a port back whose device is in quarantine. Answered by [`super::Response::Done`].
    PortRelease {
        /// Its name.
        name: String,
    },
    /// What happened, newest last. Answered by [`super::Response::Events`].
    Events {
        /// Only what has a higher number.
        after: u64,
        /// At most so many.
        limit: u32,
    },
    /// Switch automatic failover off. Answered by [`super::Response::Done`] when nothing takes over
    /// any more.
    Pin,
    /// Switch it on again. Answered by [`super::Response::Done`].
    Unpin,
    /// Read the configuration again and apply what ports were added to it and removed from it,
    /// and start again what was given up.
    /// Answered by [`super::Response::Reloaded`].
    Reload,
}
