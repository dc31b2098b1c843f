//! Which end of the vhost-user socket QEMU is.

use crate::guest_vm::SocketMode;
use clap::ValueEnum;
use serde::Serialize;
use std::time::Duration;

/// How soon QEMU tries again to connect when it has lost the switch; whole seconds before QEMU 9.2.
const RECONNECT: Duration = Duration::from_secs(1);

/// Which end of the vhost-user socket QEMU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum QemuSide {
    /// The switch listens, QEMU connects.
    Client,
    /// QEMU listens, the switch connects.
    Server,
}

impl QemuSide {
    /// Both.
    pub const ALL: [QemuSide; 2] = [QemuSide::Client, QemuSide::Server];

    /// As an adjective of QEMU.
    pub fn name(self) -> &'static str {
        match self {
            QemuSide::Client => "client",
            QemuSide::Server => "server",
        }
    }

    /// The switch's end, in the words of its configuration.
    pub(super) fn port_mode(self) -> &'static str {
        match self {
            QemuSide::Client => "server",
            QemuSide::Server => "client",
        }
    }

    /// QEMU's end.
    pub(super) fn socket_mode(self) -> SocketMode {
        match self {
            QemuSide::Client => SocketMode::Client {
                reconnect: Some(RECONNECT),
            },
            QemuSide::Server => SocketMode::Server,
        }
    }
}
