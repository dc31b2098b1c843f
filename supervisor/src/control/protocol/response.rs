//! What the daemon answers.

use super::features::{protocol_names, virtio_names};
use crate::config::PortMode;
use crate::control::names::{instance, optional_instance, time};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::SystemTime;
use vhost_transfer::message::DeviceSummary;
use vhost_transfer::{InstanceId, PortId};

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// To [`super::Request::Status`].
    Status(StatusReport),
    /// To [`super::Request::Promote`].
    Promoted(PromoteReport),
    /// To [`super::Request::PortList`].
    Ports(Vec<PortReport>),
    /// To [`super::Request::DeviceList`].
    Devices(Vec<DeviceReport>),
    /// To [`super::Request::DeviceShow`].
    Device(DeviceReport),
    /// To [`super::Request::History`].
    History(Vec<HistoryEntry>),
    /// To [`super::Request::Reload`].
    Reloaded(ReloadReport),
    /// It is done, and there is nothing more to say.
    Done,
    /// It is not done.
    Failed(Failure),
    /// There is no such port, or no device behind it.
    Unknown {
        /// What there is none of, such as ``port `vm7` ``.
        what: String,
    },
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What is wrong, and what to do.
    pub reason: String,
    /// Traffic was disturbed, or the switch is in a worse state than before.
    pub traffic_affected: bool,
    /// Packets that the NIC had already delivered to the standby: they are lost.
    pub discarded: u64,
}

impl Failure {
    /// Nothing was touched.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            traffic_affected: false,
            discarded: 0,
        }
    }
}

/// Who is what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Number of the current ownership.
    pub term: u64,
    /// The instance that owns the rings.
    #[serde(with = "optional_instance")]
    pub active: Option<InstanceId>,
    /// There is a standby, warm, with every device mapped: a promote or a failover would succeed.
    pub spare: bool,
    /// What an operator should see to; empty when all is well.
    pub trouble: Vec<String>,
    /// A move that is under way, in words.
    pub moving: Option<String>,
    /// Both instances.
    pub instances: Vec<InstanceReport>,
    /// Where the NIC delivers to. `None`: a switch without uplink.
    pub steering: Option<SteeringReport>,
    /// Devices that are connected.
    pub devices: u32,
    /// Ports, without the uplink.
    pub ports: u32,
    /// The supervisor's own process id.
    pub supervisor_pid: i32,
    /// The supervisor's own version.
    pub supervisor_version: String,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Which.
    #[serde(with = "instance")]
    pub instance: InstanceId,
    /// What it is at.
    pub state: InstanceState,
    /// Its process, when there is one.
    pub pid: Option<i32>,
    /// What the process runs.
    pub program: PathBuf,
    /// Version of the program, once it has said so.
    pub version: Option<String>,
    /// Version of its DPDK, once it has said so.
    pub dpdk: Option<String>,
    /// Since when it is in this state.
    #[serde(with = "time")]
    pub since: SystemTime,
    /// Devices of which it has the newest state.
    pub devices_mapped: u32,
    /// How long its start took, by phase.
    pub start_phases: Vec<Phase>,
}

/// What an instance is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// There is no process.
    Down,
    /// The process starts and is not warm.
    Starting,
    /// Warm, and maps the devices.
    Mapping,
    /// A standby with every device mapped.
    Standby,
    /// It owns the rings.
    Active,
    /// It was told to leave.
    Stopping,
}

/// Where the NIC delivers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteeringReport {
    /// The backend's name in the configuration.
    pub backend: String,
    /// The instance that receives.
    #[serde(with = "optional_instance")]
    pub current: Option<InstanceId>,
}

/// A part of something that took time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// In the words of the design: `prepare`, `steer`, `drain`, `release`, `settle`.
    pub name: String,
    /// How long it took, µs.
    pub us: u64,
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

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    /// Its name; the uplink's is `uplink`.
    pub name: String,
    /// Its number; the uplink's is 0.
    pub id: u16,
    /// Who listens; `None` for the uplink.
    pub mode: Option<PortMode>,
    /// The vhost-user socket; `None` for the uplink.
    pub socket: Option<PathBuf>,
    /// A front end is connected, or the uplink is up.
    pub connected: bool,
    /// What came in by this port.
    pub rx: Counters,
    /// What went out.
    pub tx: Counters,
}

/// Counted since the port exists, over all terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets that were dropped.
    pub drops: u64,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// The name of its port.
    pub port: String,
    /// The number of its port.
    pub id: u16,
    /// Counts its changes since its connection came up.
    pub revision: u64,
    /// The standby has mapped this revision.
    pub mapped_by_standby: bool,
    /// Acknowledged virtio features, by name.
    pub features: Vec<String>,
    /// Acknowledged vhost-user protocol features, by name.
    pub protocol_features: Vec<String>,
    /// Rings that are started and enabled.
    pub rings_running: u16,
    /// Guest memory that is shared with the switch, bytes.
    pub memory_bytes: u64,
    /// Memory regions.
    pub memory_regions: u16,
}

impl DeviceReport {
    /// That of the device at revision `revision` behind port `id`, whose name is `port`.
    pub fn new(
        port: &str,
        id: PortId,
        revision: u64,
        summary: &DeviceSummary,
        mapped_by_standby: bool,
    ) -> Self {
        Self {
            port: port.to_owned(),
            id: id.get(),
            revision,
            mapped_by_standby,
            features: virtio_names(summary.features),
            protocol_features: protocol_names(summary.protocol_features),
            rings_running: summary.rings_running,
            memory_bytes: summary.memory_bytes,
            memory_regions: summary.memory_regions,
        }
    }
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
    /// Packets lost by a promote that was called off after steering.
    pub discarded: u64,
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
    /// An instance was started.
    Start,
    /// An instance left, or died as a standby.
    Exit,
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

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Names of ports that are new.
    pub added: Vec<String>,
    /// Names of ports that are no more.
    pub removed: Vec<String>,
}
