//! `[hooks]`: the operator's programs around an instance's life.

use super::units::duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `[hooks]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Program and arguments, run before an instance's process is started. Empty: none.
    pub pre_start: Vec<String>,
    /// How long it may take. Default 5 s.
    #[serde(with = "duration")]
    pub pre_start_timeout: Duration,
    /// Program and arguments, run when an instance's process has ended. Empty: none.
    pub post_stop: Vec<String>,
    /// How long it may take. Default 5 s.
    #[serde(with = "duration")]
    pub post_stop_timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        let timeout = Duration::from_secs(5);
        Self {
            pre_start: Vec::new(),
            pre_start_timeout: timeout,
            post_stop: Vec::new(),
            post_stop_timeout: timeout,
        }
    }
}
