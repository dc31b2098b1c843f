//! The configuration of the backend `tc-flower`.

use std::time::Duration;

use serde::Deserialize;

use crate::config::duration;
use crate::netdev::Ports;
use crate::netlink::flower::Offload;

/// `[steering]` with `backend = "tc-flower"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct TcFlowerConfig {
    /// The network device of the port to the wire.
    pub uplink: String,
    /// The network devices that represent the instances' VFs.
    pub representors: Representors,
    /// The NIC carries the rules out. `false`: the kernel does, between any network devices.
    pub hardware: bool,
    /// [`Contract::in_flight`](crate::Contract::in_flight).
    pub in_flight: Duration,
}

/// How the representors are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Representors {
    /// `ports = { a = "...", b = "..." }`: by their names.
    Ports(Ports),
    /// `vfs = [0, 1]`: by the numbers of their VFs.
    Vfs([u32; 2]),
}

impl TcFlowerConfig {
    pub(super) fn offload(&self) -> Offload {
        if self.hardware {
            Offload::Hardware
        } else {
            Offload::Software
        }
    }
}

/// The keys as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    uplink: String,
    ports: Option<Ports>,
    vfs: Option<[u32; 2]>,
    #[serde(default = "in_hardware")]
    hardware: bool,
    #[serde(default = "default_in_flight", deserialize_with = "duration")]
    in_flight: Duration,
}

fn in_hardware() -> bool {
    true
}

/// As for VFs that are told apart by their addresses: the way from the NIC to the receive ring is the same.
fn default_in_flight() -> Duration {
    super::CONTRACT.in_flight
}

impl TryFrom<Keys> for TcFlowerConfig {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        let representors = match (keys.ports, keys.vfs) {
            (Some(ports), None) => Representors::Ports(ports),
            (None, Some(vfs)) => Representors::Vfs(vfs),
            (None, None) => {
                return Err(
                    "write `vfs = [0, 1]`, the numbers of the instances' VFs, or name \
                            their representors: `ports = { a = \"...\", b = \"...\" }`",
                );
            }
            (Some(_), Some(_)) => return Err("write `vfs` or `ports`, not both"),
        };
        Ok(Self {
            uplink: keys.uplink,
            representors,
            hardware: keys.hardware,
            in_flight: keys.in_flight,
        })
    }
}
