//! What happened, as it happens.

use crate::control::names::{optional_instance, time};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::SystemTime;
use vhost_transfer::InstanceId;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReport {
    /// Counted from 1, by this supervisor.
    pub number: u64,
    /// When.
    #[serde(with = "time")]
    pub time: SystemTime,
    /// What.
    pub kind: EventKind,
    /// To which instance.
    #[serde(with = "optional_instance")]
    pub instance: Option<InstanceId>,
    /// To which port, by name.
    pub port: Option<String>,
    /// In words, as in the log.
    pub text: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// An instance became active.
    Active,
    /// An instance became the spare.
    Spare,
    /// An instance of another supervisor goes on.
    Adopted,
    /// A promote did not come to its end.
    NotPromoted,
    /// A thread of an instance hangs.
    Hung,
    /// An instance was killed since it is of no more use.
    Dropped,
    /// An instance that was killed is still there.
    Unfenced,
    /// An instance's process has ended.
    Ended,
    /// An instance is not started any more.
    GivenUp,
    /// An instance died or hung over a port.
    Blamed,
    /// A port's device was put in quarantine.
    Quarantined,
    /// A port was put back.
    Released,
    /// A device could not be brought back, or a port has trouble.
    Port,
    /// The NIC could not be steered.
    Steering,
    /// A hook failed.
    Hook,
    /// An instance's uplink is gone, deaf, or well again.
    Uplink,
    /// Failover was switched off.
    Pinned,
    /// Failover was switched on again.
    Unpinned,
    /// An instance said what it had no business to say.
    Ignored,
}

/// What is known of a failover beside its terms and instances.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailoverReport {
    /// The process of the old one has ended: nothing more will be known.
    pub ended: bool,
    /// The signal that ended the old one. `None`: it left by itself, or that is not known yet.
    pub signal: Option<i32>,
    /// The exit status with which it left.
    pub exit_status: Option<i32>,
    /// The thread that hung, and how.
    pub hang: Option<String>,
    /// From the last heartbeat until the hang was found, µs.
    pub detection_us: Option<u64>,
    /// The port that the thread was serving that died or hung.
    pub port: Option<String>,
    /// Devices that moved.
    pub devices: u32,
    /// The kernel wrote a core.
    pub core_dumped: bool,
    /// Where, if that is a plain file.
    pub core_file: Option<PathBuf>,
}
