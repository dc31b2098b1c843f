//! Ports and devices.

use super::features::{protocol_names, virtio_names};
use crate::config::PortMode;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vhost_transfer::PortId;
use vhost_transfer::message::DeviceSummary;

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
    /// Instances died over its device, which is closed until the port is released.
    #[serde(default)]
    pub quarantined: bool,
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
