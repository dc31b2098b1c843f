//! What is told to whoever asks how things are.

use super::ports::NumberedPort;
use super::vault::Entry;
use super::{Daemon, notes};
use crate::control::Response;
use crate::control::protocol::{
    Counters, DeviceReport, InstanceReport, InstanceState, PortReport, StatusReport,
    SteeringReport, UplinkHealth, UplinkReport, protocol_names, virtio_names,
};
use crate::policy::{Health, Life};
use std::sync::atomic::Ordering::Relaxed;
use steering::{Side, SteeringConfig};
use vhost_transfer::{InstanceId, PortId};

/// What it means that it is pinned.
const PINNED: &str = "pinned: nothing takes over until `vswsup unpin`";

impl Daemon {
    pub(super) fn status(&self) -> StatusReport {
        StatusReport {
            term: self.policy.term().0,
            active: self.policy.active(),
            spare: self.policy.spare().is_some(),
            alone: self.policy.is_alone(),
            pinned: self.policy.is_pinned(),
            trouble: self.troubles(),
            moving: self.moving_in_words(),
            instances: InstanceId::BOTH.map(|id| self.instance_report(id)).into(),
            steering: self.config.uplink.as_ref().map(|_| self.steering_report()),
            devices: count(self.vault.len()),
            ports: count(self.ports.iter().count()),
            supervisor_pid: std::process::id().cast_signed(),
            supervisor_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn troubles(&self) -> Vec<String> {
        let of_instances = InstanceId::BOTH.into_iter().filter_map(|id| {
            let trouble = self.trouble_of(id)?;
            Some(format!("instance {id}: {trouble}"))
        });
        let of_uplinks = InstanceId::BOTH.into_iter().filter_map(|id| {
            let health = self.policy.uplink(id);
            let is_trouble = match health {
                Health::Well => false,
                Health::Unproven => self.policy.successor() == Some(id),
                Health::Deaf(_) | Health::Gone(_) => true,
            };
            is_trouble.then(|| format!("uplink of {id}: {health}"))
        });
        let of_port = self.uplinks.trouble();
        let of_port = of_port.map(|trouble| format!("uplink: {trouble}"));
        let of_steering = self
            .policy
            .steering()
            .trouble()
            .map(|trouble| format!("steering: {trouble}"));
        let of_ports = self.ports.iter().filter_map(|(_, port)| {
            let trouble = port.trouble.as_ref()?;
            Some(format!("port {}: {trouble}", port.name()))
        });
        let pinned = self.policy.is_pinned().then(|| PINNED.to_owned());
        pinned
            .into_iter()
            .chain(of_instances)
            .chain(of_uplinks)
            .chain(of_port)
            .chain(of_steering)
            .chain(of_ports)
            .collect()
    }

    fn trouble_of(&self, id: InstanceId) -> Option<String> {
        let instance = self.policy.instance(id);
        let trouble = instance.trouble.as_deref();
        if self.policy.is_given_up(id) {
            let (times, reason) = (instance.failures, trouble.unwrap_or_default());
            return Some(notes::given_up(times, reason));
        }
        if instance.unfenced {
            return Some(notes::unfenced(self.process_pid(id)));
        }
        trouble.filter(|_| !self.is_left_out(id)).map(str::to_owned)
    }

    /// Where there is one instance at a time, nobody misses the other.
    fn is_left_out(&self, id: InstanceId) -> bool {
        let policy = &self.policy;
        policy.is_alone() && policy.instance(id).life == Life::Absent && policy.active().is_some()
    }

    pub(super) fn process_pid(&self, id: InstanceId) -> Option<i32> {
        let process = self.processes[id as usize].as_ref();
        process.map(|process| process.pid())
    }

    fn moving_in_words(&self) -> Option<String> {
        if let Some(restart) = self.policy.restart() {
            return Some(format!(
                "from {} to {}, by a restart",
                restart.from, restart.to
            ));
        }
        let handover = self.policy.handover()?;
        Some(format!(
            "from {} to {} for term {}: {:?}",
            handover.from, handover.to, handover.term, handover.phase
        ))
    }

    fn steering_report(&self) -> SteeringReport {
        let backend = match self.config.steering {
            SteeringConfig::None {} if self.config.moves_uplink() => "restart",
            SteeringConfig::None {} => "none",
            SteeringConfig::Ebpf(_) => "ebpf",
            SteeringConfig::BridgeFdb(_) => "bridge-fdb",
            SteeringConfig::SriovMac(_) => "sriov-mac",
            SteeringConfig::SriovVlan(_) => "sriov-vlan",
            SteeringConfig::TcFlower(_) => "tc-flower",
            SteeringConfig::Command(_) => "command",
        };
        SteeringReport {
            backend: backend.to_owned(),
            current: self.delivers_to(),
        }
    }

    fn delivers_to(&self) -> Option<InstanceId> {
        if self.config.moves_uplink() {
            return self.uplink_place.at();
        }
        let current = self.steering.current().ok().flatten()?;
        Some(match current {
            Side::A => InstanceId::A,
            Side::B => InstanceId::B,
        })
    }

    fn instance_report(&self, id: InstanceId) -> InstanceReport {
        let process = self.processes[id as usize].as_ref();
        let hello = process.and_then(|process| process.hello.as_ref());
        let phases = process.map_or(&[][..], |process| &process.phases);
        InstanceReport {
            instance: id,
            state: self.state(id),
            pid: self.process_pid(id),
            program: self.config.instance(id).program.to_owned(),
            version: hello.map(|hello| hello.version.clone()),
            dpdk: hello.map(|hello| hello.dpdk.clone()),
            since: self.lives.since(id),
            devices_mapped: self.devices_mapped(id),
            start_phases: phases.to_vec(),
            uplink: self.uplink_of(id),
        }
    }

    fn uplink_of(&self, id: InstanceId) -> Option<UplinkReport> {
        let device = self.uplinks.arguments(id)?;
        let health = self.policy.uplink(id);
        Some(UplinkReport {
            device: device.to_owned(),
            health: match health {
                Health::Well => UplinkHealth::Well,
                Health::Unproven => UplinkHealth::Unproven,
                Health::Deaf(_) => UplinkHealth::Deaf,
                Health::Gone(_) => UplinkHealth::Gone,
            },
            trouble: health.trouble().map(str::to_owned),
            no_proof: self.uplinks.no_proof(id).map(str::to_owned),
        })
    }

    fn state(&self, id: InstanceId) -> InstanceState {
        if self.policy.is_given_up(id) {
            return InstanceState::GivenUp;
        }
        state(self.policy.instance(id).life)
    }

    fn devices_mapped(&self, id: InstanceId) -> u32 {
        let instance = self.policy.instance(id);
        if !instance.life.is_told() {
            return 0;
        }
        let mapped = |&(port, _): &(PortId, &Entry)| instance.has_mapped(port);
        count(self.vault.entries().filter(mapped).count())
    }

    pub(super) fn port_reports(&self) -> Vec<PortReport> {
        let uplink = self.config.uplink.as_ref().map(|_| self.uplink_report());
        let others = self
            .ports
            .iter()
            .map(|(id, port)| self.port_report(id, port));
        uplink.into_iter().chain(others).collect()
    }

    fn uplink_report(&self) -> PortReport {
        let (rx, tx) = self.counters(PortId::UPLINK);
        PortReport {
            name: "uplink".to_owned(),
            id: PortId::UPLINK.get(),
            mode: None,
            socket: None,
            connected: self.policy.active().is_some(),
            quarantined: false,
            rx,
            tx,
        }
    }

    fn port_report(&self, id: PortId, port: &NumberedPort) -> PortReport {
        let (rx, tx) = self.counters(id);
        PortReport {
            name: port.name().to_owned(),
            id: id.get(),
            mode: Some(port.port.mode),
            socket: Some(port.port.socket.clone()),
            connected: self.vault.get(id).is_some(),
            quarantined: port.quarantined,
            rx,
            tx,
        }
    }

    /// What came in and what went out by a port.
    fn counters(&self, port: PortId) -> (Counters, Counters) {
        let counters = self.ledger.counters(port);
        let rx = Counters {
            packets: counters.rx_packets.load(Relaxed),
            bytes: counters.rx_bytes.load(Relaxed),
            drops: counters.rx_dropped.load(Relaxed),
        };
        let tx = Counters {
            packets: counters.tx_packets.load(Relaxed),
            bytes: counters.tx_bytes.load(Relaxed),
            drops: counters.tx_dropped.load(Relaxed),
        };
        (rx, tx)
    }

    pub(super) fn device_reports(&self) -> Vec<DeviceReport> {
        self.vault
            .entries()
            .map(|(id, entry)| self.device_report(id, entry))
            .collect()
    }

    pub(super) fn device_of(&self, port: &str) -> Response {
        let Some(id) = self.ports.find(port) else {
            let what = format!("port `{port}`");
            return Response::Unknown { what };
        };
        match self.vault.get(id) {
            Some(entry) => Response::Device(self.device_report(id, entry)),
            None => {
                let what = format!("device behind port `{port}`");
                Response::Unknown { what }
            }
        }
    }

    fn device_report(&self, id: PortId, entry: &Entry) -> DeviceReport {
        let update = &entry.update;
        let summary = update.summary;
        let name = self.ports.get(id).map(NumberedPort::name);
        DeviceReport {
            port: name.unwrap_or_default().to_owned(),
            id: id.get(),
            revision: update.revision,
            mapped_by_standby: self.policy.is_mapped_by_successor(id),
            features: virtio_names(summary.features),
            protocol_features: protocol_names(summary.protocol_features),
            rings_running: summary.rings_running,
            memory_bytes: summary.memory_bytes,
            memory_regions: summary.memory_regions,
        }
    }
}

fn state(life: Life) -> InstanceState {
    match life {
        Life::Absent => InstanceState::Down,
        Life::Spawned | Life::Greeted => InstanceState::Starting,
        Life::Warm | Life::Activating | Life::Releasing | Life::Arming | Life::Disarming => {
            InstanceState::Mapping
        }
        Life::Standby => InstanceState::Standby,
        Life::Active => InstanceState::Active,
        Life::Leaving => InstanceState::Stopping,
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
