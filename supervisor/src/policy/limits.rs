//! How long things may take.

use std::time::Duration;

/// Time limits of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// From the start of a process until it is warm and has mapped all devices.
    pub start: Duration,
    /// Until a standby has mapped a device whose front end waits.
    pub mapped: Duration,
    /// Until the standby is prepared for a handover.
    pub prepare: Duration,
    /// Until the active one is quiesced.
    pub quiesce: Duration,
    /// From the release word until lanes run again. The old lanes take their locks back after
    /// 50 ms, so this must be longer.
    pub release: Duration,
    /// Until an abort is answered.
    pub abort: Duration,
    /// Until an instance has the lanes that nobody holds, or waits for them.
    pub settle: Duration,
    /// From `Stop`, or from a kill, until the process is gone.
    pub stop: Duration,
    /// From the lanes' death until the core is written and the process is gone.
    pub dump: Duration,
    /// Between two tries to steer.
    pub steer_retry: Duration,
    /// Before the start after the second death in a row; doubled each time.
    pub restart_first: Duration,
    /// The longest such wait.
    pub restart_last: Duration,
    /// Deaths in a row after which an instance is given up; 0: never.
    pub restart_limit: u32,
    /// How long an instance has to be ready before a death begins a new row.
    pub restart_calm: Duration,
    /// Within which a second death over the same port puts its device in quarantine.
    pub poison: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(30),
            mapped: Duration::from_secs(1),
            prepare: Duration::from_secs(2),
            quiesce: Duration::from_secs(2),
            release: Duration::from_millis(500),
            abort: Duration::from_secs(1),
            settle: Duration::from_secs(2),
            stop: Duration::from_secs(5),
            dump: Duration::from_secs(60),
            steer_retry: Duration::from_secs(1),
            restart_first: Duration::from_secs(1),
            restart_last: Duration::from_secs(30),
            restart_limit: 10,
            restart_calm: Duration::from_secs(30),
            poison: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// How long to wait before the next start after so many deaths in a row: after the first one
    /// not at all.
    pub fn respawn(&self, failures: u32) -> Duration {
        match failures {
            0 | 1 => Duration::ZERO,
            _ => self
                .restart_first
                .saturating_mul(1 << (failures - 2).min(16))
                .min(self.restart_last),
        }
    }
}
