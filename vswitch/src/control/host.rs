//! What the vhost ports need of their surroundings: the vault above, the lanes beneath.

use super::rarp;
use crate::lane::{Injection, LaneError, LaneSet};
use crate::memory::GuestMemory;
use crate::port::{Backend, Handled};
use crate::switch::{Plan, VhostView};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use vhost_transfer::ledger::RingPosition;
use vhost_transfer::lifeline::LifelineError;
use vhost_transfer::message::{DeviceGone, DeviceSummary, DeviceUpdate, FromInstance, PortTrouble};
use vhost_transfer::{Device, Lifeline, PortId};

/// The lifeline and the lanes, as [`Backend`] of every port. Errors are kept until the loop looks.
pub(super) struct Host {
    pub(super) lifeline: Lifeline,
    pub(super) lanes: LaneSet,
    /// The newest device that the lanes were given, to stop one ring of it.
    applied: BTreeMap<PortId, (Device, Arc<GuestMemory>)>,
    broken: Option<HostError>,
}

/// After one of these the instance cannot go on.
#[derive(Debug)]
pub(super) enum HostError {
    Lifeline(LifelineError),
    Lane(LaneError),
}

impl Host {
    pub(super) fn new(lifeline: Lifeline, lanes: LaneSet) -> Self {
        Self {
            lifeline,
            lanes,
            applied: BTreeMap::new(),
            broken: None,
        }
    }

    /// Says something to the supervisor.
    pub(super) fn say(&mut self, message: FromInstance) {
        let outcome = self.lifeline.send(&message, &[]);
        self.keep(outcome.map_err(HostError::Lifeline));
    }

    /// The first error since the last look.
    pub(super) fn take_error(&mut self) -> Option<HostError> {
        self.broken.take()
    }

    /// The ports with a device that the lanes serve.
    pub(super) fn served(&self) -> Vec<PortId> {
        let (plan, _) = self.lanes.shared.plan();
        plan.views().map(|view| view.port).collect()
    }

    /// Signals the call fds of these ports' devices once.
    pub(super) fn signal_calls(&self, ports: &[PortId]) {
        let (plan, _) = self.lanes.shared.plan();
        ports
            .iter()
            .filter_map(|&port| plan.view(port))
            .for_each(VhostView::signal_calls);
    }

    fn change_plan(&mut self, change: impl FnOnce(&Plan) -> Plan) {
        let outcome = self.lanes.change_plan(change);
        self.keep(outcome.map_err(HostError::Lane));
    }

    fn keep(&mut self, outcome: Result<(), HostError>) {
        if let Err(error) = outcome {
            self.broken.get_or_insert(error);
        }
    }
}

impl Backend for Host {
    fn store(&mut self, device: &Device) {
        let (packed, fds) = device.pack();
        let state = &device.state;
        let update = DeviceUpdate {
            port: state.port,
            revision: state.revision,
            summary: summary(device),
            packed: packed.into(),
        };
        let outcome = self.lifeline.send(&FromInstance::Device(update), &fds);
        self.keep(outcome.map_err(HostError::Lifeline));
    }

    fn note(&mut self, port: PortId, handled: Handled) {
        self.lanes
            .shared
            .ledger
            .handled(port)
            .store(handled.to_word(), Release);
    }

    fn noted(&mut self, port: PortId) -> Handled {
        Handled::from_word(self.lanes.shared.ledger.handled(port).load(Acquire))
    }

    fn gone(&mut self, port: PortId, trouble: Option<String>) {
        self.say(FromInstance::DeviceGone(DeviceGone { port, trouble }));
    }

    fn trouble(&mut self, port: PortId, trouble: String) {
        self.say(FromInstance::PortTrouble(PortTrouble { port, trouble }));
    }

    /// A ring that does not lie in the guest's memory is reported, and its device is not served.
    fn apply(&mut self, port: PortId, device: Option<(&Device, &Arc<GuestMemory>)>) {
        let view = device
            .map(|(device, memory)| VhostView::new(device, memory))
            .transpose();
        let view = view.unwrap_or_else(|error| {
            self.trouble(
                port,
                format!("device of port {port} is not served: {error}"),
            );
            None
        });
        self.change_plan(|plan| plan.with(port, view));
        match device {
            Some((device, memory)) => {
                let device = Device {
                    state: device.state.clone(),
                    fds: device.fds.clone(),
                };
                self.applied.insert(port, (device, Arc::clone(memory)));
            }
            None => drop(self.applied.remove(&port)),
        }
    }

    fn stop_ring(&mut self, port: PortId, ring: u16) -> RingPosition {
        if let Some((mut device, memory)) = self.applied.remove(&port) {
            if let Some(state) = device.state.rings.get_mut(usize::from(ring)) {
                state.started = false;
            }
            self.apply(port, Some((&device, &memory)));
        }
        self.lanes
            .shared
            .ledger
            .ring(port, ring)
            .map(|slot| slot.position())
            .unwrap_or_default()
    }

    fn set_position(&mut self, port: PortId, ring: u16, position: RingPosition) {
        if let Some(slot) = self.lanes.shared.ledger.ring(port, ring) {
            slot.publish(position);
        }
    }

    fn send_rarp(&mut self, port: PortId, mac: [u8; 6]) {
        self.lanes.shared.inject(Injection {
            from: port,
            bytes: rarp::announcement(mac),
        });
    }
}

fn summary(device: &Device) -> DeviceSummary {
    let state = &device.state;
    DeviceSummary {
        features: state.features,
        protocol_features: state.protocol_features,
        rings_running: state
            .rings
            .iter()
            .filter(|ring| ring.started && ring.enabled)
            .count() as u16,
        memory_bytes: state
            .memory
            .iter()
            .fold(0, |sum, region| sum.saturating_add(region.size)),
        memory_regions: state.memory.len() as u16,
    }
}
