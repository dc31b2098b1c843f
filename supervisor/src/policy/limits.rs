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
    /// From `Stop`, or from the lanes' death, until the process is gone.
    pub stop: Duration,
    /// Between two tries to steer.
    pub steer_retry: Duration,
    /// Before the second start of an instance that never became ready; doubled each time.
    pub respawn_first: Duration,
    /// The longest such wait.
    pub respawn_last: Duration,
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
            steer_retry: Duration::from_secs(1),
            respawn_first: Duration::from_secs(1),
            respawn_last: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// How long to wait before the next start after `failures` starts in a row that led to nothing.
    pub fn respawn(&self, failures: u32) -> Duration {
        match failures {
            0 => Duration::ZERO,
            _ => self
                .respawn_first
                .saturating_mul(1 << (failures - 1).min(16))
                .min(self.respawn_last),
        }
    }
}
