//! The configuration: one TOML file. `docs/configuration.md` is its reference for people.

mod sections;
pub mod steering;
mod units;

pub use sections::{
    InstanceOverride, Instances, PollMode, Port, PortMode, Supervisor, Timeouts, Uplink, Vswitch,
};
pub use steering::SteeringConfig;
pub use units::MemorySize;

use serde::Deserialize;
use std::path::{Path, PathBuf};
use vhost_transfer::InstanceId;

/// All of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[supervisor]`.
    #[serde(default)]
    pub supervisor: Supervisor,
    /// `[vswitch]`: what both instances have in common.
    pub vswitch: Vswitch,
    /// `[uplink]`. `None`: a switch without uplink.
    pub uplink: Option<Uplink>,
    /// `[steering]`: how the NIC's traffic is moved.
    #[serde(default)]
    pub steering: SteeringConfig,
    /// `[timeouts]`.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// `[[port]]`: the ports that lead to VMs.
    #[serde(default, rename = "port")]
    pub ports: Vec<Port>,
    /// `[instance.a]` and `[instance.b]`: where one instance differs.
    #[serde(default, rename = "instance")]
    pub instances: Instances,
    /// Where it was read from.
    #[serde(skip)]
    pub file: PathBuf,
}

/// What one instance is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceConfig<'a> {
    /// Its program.
    pub program: &'a Path,
    /// The CPU of each of its lanes.
    pub lanes: &'a [u16],
    /// Its uplink, as DPDK device arguments.
    pub uplink: Option<&'a str>,
}

impl Config {
    /// Name of the control socket in the runtime directory.
    pub const CONTROL_SOCKET: &'static str = "control.sock";

    /// Where the daemon listens for the command line.
    pub fn control_socket(&self) -> PathBuf {
        self.supervisor.runtime_dir.join(Self::CONTROL_SOCKET)
    }

    /// What `instance` is started with: `[vswitch]` and `[uplink]`, with its overrides applied.
    pub fn instance(&self, instance: InstanceId) -> InstanceConfig<'_> {
        let own = self.instances.of(instance);
        InstanceConfig {
            program: own.program.as_deref().unwrap_or(&self.vswitch.program),
            lanes: own.lanes.as_deref().unwrap_or(&self.vswitch.lanes),
            uplink: self.uplink.as_ref().map(|uplink| uplink.of(instance)),
        }
    }
}
