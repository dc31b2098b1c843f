//! The sections of the configuration.

use super::units::{MemorySize, duration};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use vhost_transfer::InstanceId;
use vhost_transfer::device::SocketMode;
use vhost_transfer::message::Poll;

/// `[supervisor]`: the daemon itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Supervisor {
    /// Where the control socket and the lock are; one supervisor to a directory.
    pub runtime_dir: PathBuf,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            runtime_dir: PathBuf::from("/run/vswsup"),
        }
    }
}

/// `[vswitch]`: what both instances have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vswitch {
    /// The program that an instance runs, an absolute path.
    pub program: PathBuf,
    /// The CPU of each lane; its length is the number of lanes.
    pub lanes: Vec<u16>,
    /// How lanes wait for work. Default `adaptive`.
    #[serde(default)]
    pub poll: PollMode,
    /// DPDK's memory of one instance. Default 128 MiB.
    #[serde(default)]
    pub memory: MemorySize,
    /// DPDK's memory is in hugepages. Default yes.
    #[serde(default = "yes")]
    pub hugepages: bool,
    /// There is a standby. Without one the host needs memory for one instance only, and a move stops
    /// the old one before it starts the new one. Default yes.
    #[serde(default = "yes")]
    pub standby: bool,
    /// A learned address is forgotten when it was silent for so long, whole seconds. Default 300 s.
    #[serde(default = "default_mac_aging", with = "duration")]
    pub mac_aging: Duration,
}

fn yes() -> bool {
    true
}

fn default_mac_aging() -> Duration {
    Duration::from_secs(300)
}

/// How a lane waits for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PollMode {
    /// Never sleep: the lane has its CPU for itself.
    Busy,
    /// Yield, then nap for longer and longer while there is nothing to do.
    #[default]
    Adaptive,
}

impl From<PollMode> for Poll {
    fn from(mode: PollMode) -> Self {
        match mode {
            PollMode::Busy => Self::Busy,
            PollMode::Adaptive => Self::Adaptive,
        }
    }
}

/// `[timeouts]`: how long to wait before a handover is called off or an instance given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From Setup until an instance is warm. Default 30 s.
    #[serde(with = "duration")]
    pub start: Duration,
    /// Until the standby has mapped a changed device; later it is dropped, for the front end waits
    /// meanwhile. Default 500 ms.
    #[serde(with = "duration")]
    pub mapped: Duration,
    /// Until the standby is prepared. Default 2 s.
    #[serde(with = "duration")]
    pub prepare: Duration,
    /// Until the active instance is quiesced. Default 1 s.
    #[serde(with = "duration")]
    pub quiesce: Duration,
    /// From the release word until the lanes have changed hands. Default 1 s.
    #[serde(with = "duration")]
    pub release: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(30),
            mapped: Duration::from_millis(500),
            prepare: Duration::from_secs(2),
            quiesce: Duration::from_secs(1),
            release: Duration::from_secs(1),
        }
    }
}

/// `[[port]]`: a port that leads to a VM. Also what `port add` sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name, unique.
    pub name: String,
    /// The vhost-user socket, an absolute path, unique.
    pub socket: PathBuf,
    /// Who listens on the socket. Default `server`.
    #[serde(default)]
    pub mode: PortMode,
}

/// Who listens on a port's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortMode {
    /// The switch listens, the front end connects.
    #[default]
    Server,
    /// The front end listens (QEMU with `server=on`), the switch connects.
    Client,
}

impl From<SocketMode> for PortMode {
    fn from(mode: SocketMode) -> Self {
        match mode {
            SocketMode::Server => Self::Server,
            SocketMode::Client => Self::Client,
        }
    }
}

impl From<PortMode> for SocketMode {
    fn from(mode: PortMode) -> Self {
        match mode {
            PortMode::Server => Self::Server,
            PortMode::Client => Self::Client,
        }
    }
}

/// `[instance.a]` and `[instance.b]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Instances {
    /// Where instance `a` differs.
    pub a: InstanceOverride,
    /// Where instance `b` differs.
    pub b: InstanceOverride,
}

impl Instances {
    /// Those of `instance`.
    pub fn of(&self, instance: InstanceId) -> &InstanceOverride {
        match instance {
            InstanceId::A => &self.a,
            InstanceId::B => &self.b,
        }
    }
}

/// What takes the place of a key of `[vswitch]` for one instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceOverride {
    /// Instead of `vswitch.program`.
    pub program: Option<PathBuf>,
    /// Instead of `vswitch.lanes`.
    pub lanes: Option<Vec<u16>>,
}
