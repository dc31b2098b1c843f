//! `[failover]`: what counts as a hang, which device is poison, and how often to start again.

use super::units::{duration, duration_or_off};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `[failover]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Failover {
    /// A lane whose heartbeat stands still for so long hangs, if it had the CPU for it. `None`,
    /// written `"off"`: lanes are not watched. Default 20 ms.
    #[serde(with = "duration_or_off")]
    pub lane_hang: Option<Duration>,
    /// The same for the control thread of an instance. Default 1 s.
    #[serde(with = "duration_or_off")]
    pub control_hang: Option<Duration>,
    /// A second death over the same port within this time puts its device in quarantine.
    /// Default 60 s.
    #[serde(with = "duration")]
    pub poison_window: Duration,
    /// Before the third start in a row; doubled each time. The second comes at once. Default 1 s.
    #[serde(with = "duration")]
    pub restart_first: Duration,
    /// The longest such pause. Default 30 s.
    #[serde(with = "duration")]
    pub restart_last: Duration,
    /// Deaths in a row after which an instance is given up; 0: never. Default 10.
    pub restart_limit: u32,
    /// An instance that was ready for so long begins a new row. Default 30 s.
    #[serde(with = "duration")]
    pub restart_calm: Duration,
}

impl Default for Failover {
    fn default() -> Self {
        Self {
            lane_hang: Some(Duration::from_millis(20)),
            control_hang: Some(Duration::from_secs(1)),
            poison_window: Duration::from_secs(60),
            restart_first: Duration::from_secs(1),
            restart_last: Duration::from_secs(30),
            restart_limit: 10,
            restart_calm: Duration::from_secs(30),
        }
    }
}
