//! `[steering]`: how the NIC's traffic is moved from one instance to the other.

use super::units::duration;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The backend, and what it must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SteeringConfig {
    /// There is nothing to move.
    None {},
    /// A BPF program on a netdev redirects to one of two.
    Ebpf {
        /// The netdev that receives.
        nic: String,
        /// The netdevs that lead to the instances.
        ports: Ports,
    },
    /// An operator's own executable.
    Command {
        /// Its absolute path.
        program: PathBuf,
        /// How long a call may take.
        #[serde(with = "duration")]
        timeout: Duration,
    },
}

impl Default for SteeringConfig {
    fn default() -> Self {
        Self::None {}
    }
}

/// A netdev for each instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// That of instance `a`.
    pub a: String,
    /// That of instance `b`.
    pub b: String,
}
