//! What the daemon answers.

use super::events::EventReport;
use super::moves::{HistoryEntry, Phase, PromoteReport};
use super::ports::{DeviceReport, PortReport};
use crate::control::names::{instance, optional_instance, time};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::SystemTime;
use vhost_transfer::InstanceId;

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
    /// To [`super::Request::Events`].
    Events(Vec<EventReport>),
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
    /// Packets that the NIC had already delivered to the standby: so many are lost at most.
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
    /// By configuration there is one instance at a time, and no standby.
    #[serde(default)]
    pub alone: bool,
    /// Automatic failover is switched off.
    #[serde(default)]
    pub pinned: bool,
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
    /// Its own way to the NIC. `None`: a switch without uplink, or no process was started yet.
    #[serde(default)]
    pub uplink: Option<UplinkReport>,
}

/// An instance's own way to the NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkReport {
    /// DPDK device arguments, such as a PCI address.
    pub device: String,
    /// How it is.
    pub health: UplinkHealth,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// Why nobody would find out that it is deaf.
    #[serde(default)]
    pub no_proof: Option<String>,
}

/// How an uplink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UplinkHealth {
    /// Nothing is known against it.
    Well,
    /// Its instance was just started, and nothing has come through it yet.
    Unproven,
    /// The device is there, and what should arrive does not.
    Deaf,
    /// The device is gone, or the kernel is waiting to take it.
    Gone,
}

/// What an instance is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// There is no process.
    Down,
    /// There is no process, and it is not started again before a reload.
    GivenUp,
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

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Names of ports that are new.
    pub added: Vec<String>,
    /// Names of ports that are no more.
    pub removed: Vec<String>,
}
