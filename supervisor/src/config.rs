//! The configuration: one TOML file. `docs/configuration.md` is its reference for people.

mod diff;
mod document;
mod error;
mod failover;
mod hooks;
mod memory;
mod sections;
mod units;
mod uplink;
mod validate;

pub use diff::{PortChanges, RestartNeeded};
pub use document::{Place, Places, Position};
pub use error::{ConfigError, Problem};
pub use failover::Failover;
pub use hooks::Hooks;
pub use memory::{Memory, MemoryFile};
pub use sections::{
    InstanceOverride, Instances, PollMode, Port, PortMode, Supervisor, Timeouts, Vswitch,
};
pub use steering::SteeringConfig;
pub use units::MemorySize;
pub use uplink::{Devices, FunctionName, Uplink, UplinkMode};
pub use validate::MAX_SOCKET_PATH;

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
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
    #[serde(default = "no_steering")]
    pub steering: SteeringConfig,
    /// `[memory]`. `None`: DPDK takes its memory from the host's, as `[vswitch]` says.
    pub memory: Option<Memory>,
    /// `[hooks]`.
    #[serde(default)]
    pub hooks: Hooks,
    /// `[timeouts]`.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// `[failover]`.
    #[serde(default)]
    pub failover: Failover,
    /// `[[port]]`: the ports that lead to VMs.
    #[serde(default, rename = "port")]
    pub ports: Vec<Port>,
    /// `[instance.a]` and `[instance.b]`: where one instance differs.
    #[serde(default, rename = "instance")]
    pub instances: Instances,
    /// Where it was read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// What was read, for [`Self::place`].
    #[serde(skip)]
    text: String,
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let bytes = fs::read(file).map_err(|error| ConfigError::unreadable(file, &error))?;
    String::from_utf8(bytes).map_err(|error| ConfigError::not_text(file, &error))
}

fn no_steering() -> SteeringConfig {
    SteeringConfig::None {}
}

/// What one instance is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceConfig<'a> {
    /// Its program.
    pub program: &'a Path,
    /// The CPU of each of its lanes.
    pub lanes: &'a [u16],
}

impl Config {
    /// Name of the control socket in the runtime directory.
    pub const CONTROL_SOCKET: &'static str = "control.sock";

    /// Name of the socket, in the same place, where instances find the next supervisor.
    pub const REJOIN_SOCKET: &'static str = "lifeline.sock";

    /// Where the configuration is when nobody says otherwise.
    pub const DEFAULT_FILE: &'static str = "/etc/vswsup.toml";

    /// Only `supervisor.runtime_dir` of `file`, so that a running supervisor can be asked while
    /// the rest of the file is wrong.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read or is no TOML.
    pub fn runtime_dir_of(file: &Path) -> Result<PathBuf, ConfigError> {
        #[derive(Deserialize)]
        struct OnlySupervisor {
            #[serde(default)]
            supervisor: Supervisor,
        }
        let text = read(file)?;
        let only: OnlySupervisor =
            toml::from_str(&text).map_err(|error| ConfigError::from_toml(file, &text, &error))?;
        Ok(only.supervisor.runtime_dir)
    }

    /// As [`Self::runtime_dir_of`] for [`Self::DEFAULT_FILE`], which need not be there.
    ///
    /// # Errors
    /// As there.
    pub fn runtime_dir_by_default() -> Result<PathBuf, ConfigError> {
        let file = Path::new(Self::DEFAULT_FILE);
        if file.exists() {
            Self::runtime_dir_of(file)
        } else {
            Ok(Supervisor::default().runtime_dir)
        }
    }

    /// Reads and validates `file`.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem that could be found.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(file, read(file)?)
    }

    /// Validates `text`, which was read from `file`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(file: &Path, text: String) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(&text).map_err(|error| ConfigError::from_toml(file, &text, &error))?;
        config.file = file.to_owned();
        config.text = text;
        validate::all(&config)?;
        Ok(config)
    }

    /// Where `key` is in the file, such as `uplink.a` or `port[0].socket`.
    pub fn place(&self, key: &str) -> Place {
        self.places().of(key)
    }

    /// As [`Self::place`], for many keys.
    pub fn places(&self) -> Places<'_> {
        Places::new(&self.file, &self.text)
    }

    /// Where the daemon listens for the command line.
    pub fn control_socket(&self) -> PathBuf {
        self.supervisor.runtime_dir.join(Self::CONTROL_SOCKET)
    }

    /// Where instances that have lost their supervisor find the next one.
    pub fn rejoin_socket(&self) -> PathBuf {
        self.supervisor.runtime_dir.join(Self::REJOIN_SOCKET)
    }

    /// Both instances have the same uplink.
    pub fn has_one_device(&self) -> bool {
        let mode = self.uplink.as_ref().map(|uplink| uplink.mode);
        mode == Some(UplinkMode::Restart)
    }

    /// The one device moves from one running instance to the other.
    pub fn moves_uplink(&self) -> bool {
        self.has_one_device() && self.vswitch.standby
    }

    /// How often each uplink is asked whether it hears, or why nobody asks.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn probe(&self) -> Result<Duration, &'static str> {
        let uplink = self.uplink.as_ref().ok_or("there is no uplink")?;
        match uplink.probe {
            _ if self.has_one_device() => Err("there is one device for both"),
            _ if !self.steering.has_way() => {
                Err("this steering has no way to send to one instance alone")
            }
            None => Err("uplink.probe is \"off\""),
            Some(every) => Ok(every),
        }
    }

    /// What `instance` is started with: `[vswitch]`, with its overrides applied.
    pub fn instance(&self, instance: InstanceId) -> InstanceConfig<'_> {
        let own = self.instances.of(instance);
        InstanceConfig {
            program: own.program.as_deref().unwrap_or(&self.vswitch.program),
            lanes: own.lanes.as_deref().unwrap_or(&self.vswitch.lanes),
        }
    }
}

#[cfg(test)]
mod tests;
