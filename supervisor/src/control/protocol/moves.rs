//! What moved, and what took how long.

use super::events::FailoverReport;
use crate::control::names::{instance, optional_instance, time};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;
use vhost_transfer::InstanceId;

/// A part of something that took time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// In the words of the design: `prepare`, `steer`, `drain`, `release`, `settle`.
    pub name: String,
    /// How long it took, µs.
    pub us: u64,
    /// When it began, µs from the begin of all on. Phases may lie beside and inside of each other.
    #[serde(default)]
    pub at_us: Option<u64>,
}

/// A promote that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromoteReport {
    /// The term that began.
    pub term: u64,
    /// The instance that was active.
    #[serde(with = "instance")]
    pub from: InstanceId,
    /// The one that is.
    #[serde(with = "instance")]
    pub to: InstanceId,
    /// The vhost-user connections were closed and opened again.
    pub reconnect: bool,
    /// From the old lanes' last burst to the new lanes' first, µs; `None` when nobody could tell.
    pub freeze_us: Option<f64>,
    /// From the request to the new active one, µs.
    pub total_us: u64,
    /// What took how long, in order.
    pub phases: Vec<Phase>,
    /// Packets taken from the old uplink after steering, none of them lost.
    pub drained: u64,
}

/// Something that moved ownership, or tried to, or started an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When it ended.
    #[serde(with = "time")]
    pub time: SystemTime,
    /// What.
    pub kind: MoveKind,
    /// The term after it.
    pub term: u64,
    /// The instance that was active before.
    #[serde(with = "optional_instance")]
    pub from: Option<InstanceId>,
    /// The instance that became active, should have, or was started.
    #[serde(with = "optional_instance")]
    pub to: Option<InstanceId>,
    /// Why: who asked, or what died.
    pub cause: String,
    /// How it ended.
    pub outcome: Outcome,
    /// See [`PromoteReport::freeze_us`].
    pub freeze_us: Option<f64>,
    /// How long all of it took, µs.
    pub total_us: Option<u64>,
    /// Packets lost by a promote that was called off after steering. What a failover loses is in
    /// the hands of the dead: at most a burst of each ring and what the dead one's uplink held.
    pub discarded: u64,
    /// Of a failover: what the old one hung on and died of. It grows until the process has ended.
    #[serde(default)]
    pub failover: Option<FailoverReport>,
    /// What took how long. It grows until the first packet.
    #[serde(default)]
    pub phases: Vec<Phase>,
}

/// What moved, or happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveKind {
    /// The first instance of a term without predecessor became active.
    Activate,
    /// A handover that was asked for.
    Promote,
    /// The same, with the vhost-user connections closed and opened again.
    Reconnect,
    /// The active one died, and the standby took over.
    Failover,
    /// Without a standby: the active one was stopped, and the other started, as asked for.
    Restart,
    /// A handover away from an uplink that was bad, which nobody asked for.
    Escape,
    /// An instance was started.
    Start,
    /// An instance left, or died.
    Exit,
    /// A port's device was taken out of service.
    Quarantine,
}

impl MoveKind {
    /// After it another instance serves than before.
    pub fn begins_term(self) -> bool {
        match self {
            Self::Activate
            | Self::Promote
            | Self::Reconnect
            | Self::Failover
            | Self::Escape
            | Self::Restart => true,
            Self::Start | Self::Exit | Self::Quarantine => false,
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As wanted.
    Done,
    /// Not; with the reason.
    Failed(String),
}
