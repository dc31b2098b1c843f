//! What the vhost ports need of their surroundings: the vault above, the lanes beneath.

use super::{fault, rarp};
use crate::lane::{Injection, LaneSet, monotonic_ns};
use crate::memory::GuestMemory;
use crate::port::{Backend, Handled, Step};
use crate::switch::VhostView;
use nix::unistd::gettid;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use vhost_transfer::ledger::{InstanceSlot, RingPosition};
use vhost_transfer::lifeline::{LifelineError, Received};
use vhost_transfer::message::{
    DeviceGone, DeviceSummary, DeviceUpdate, FromInstance, PortTrouble, ToInstance,
};
use vhost_transfer::{Device, Lifeline, PortId};

/// The lifeline and the lanes, as [`Backend`] of every port. Errors are kept until the loop looks.
pub(super) struct Host {
    /// `None` while there is no supervisor.
    pub(super) lifeline: Option<Lifeline>,
    pub(super) lanes: LaneSet,
    /// The newest device that the lanes were given, to stop one ring of it.
    applied: BTreeMap<PortId, (Device, Arc<GuestMemory>)>,
    broken: Option<LifelineError>,
}

impl Host {
    /// To be called by the control thread.
    pub(super) fn new(lifeline: Lifeline, lanes: LaneSet) -> Self {
        let host = Self {
            lifeline: Some(lifeline),
            lanes,
            applied: BTreeMap::new(),
            broken: None,
        };
        host.beat();
        host.serves(PortId::UPLINK);
        host.slot().thread.store(gettid().as_raw(), Release);
        host
    }

    /// The control thread is alive.
    pub(super) fn beat(&self) {
        self.slot().beat(monotonic_ns());
    }

    /// The control thread works for this port's front end from here on, [`PortId::UPLINK`]: for none.
    pub(super) fn serves(&self, port: PortId) {
        self.slot().serving.store(port.get().into(), Relaxed);
    }

    fn slot(&self) -> &InstanceSlot {
        let shared = &self.lanes.shared;
        shared.ledger.instance(shared.instance)
    }

    /// Says something to the supervisor. The next one is told everything anyway.
    pub(super) fn say(&mut self, message: FromInstance) {
        self.say_with(message, &[]);
    }

    fn say_with(&mut self, message: FromInstance, fds: &[BorrowedFd<'_>]) {
        if let Some(lifeline) = &mut self.lifeline {
            let outcome = lifeline.send(&message, fds);
            if let Err(error) = outcome {
                self.broken.get_or_insert(error);
            }
        }
    }

    /// The supervisor's next word, `None` when there is none now.
    pub(super) fn receive(&mut self) -> Result<Option<Received<ToInstance>>, LifelineError> {
        self.lifeline
            .as_mut()
            .map_or(Ok(None), Lifeline::receive::<ToInstance>)
    }

    /// Sends what waits to be sent.
    pub(super) fn flush(&mut self) -> Result<(), LifelineError> {
        self.lifeline.as_mut().map_or(Ok(()), Lifeline::flush)
    }

    /// There is no supervisor any more.
    pub(super) fn lose_lifeline(&mut self) -> Option<Lifeline> {
        self.broken = None;
        self.lifeline.take()
    }

    /// There is a supervisor again.
    pub(super) fn have_lifeline(&mut self, lifeline: Lifeline) {
        self.lifeline = Some(lifeline);
    }

    /// The first error since the last look.
    pub(super) fn take_error(&mut self) -> Option<LifelineError> {
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
        for view in ports.iter().filter_map(|&port| plan.view(port)) {
            self.beat();
            self.serves(view.port);
            view.signal_calls();
        }
        self.serves(PortId::UPLINK);
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
        self.say_with(FromInstance::Device(update), &fds);
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
        self.lanes.change_plan(|plan| plan.with(port, view));
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

    fn reached(&mut self, step: Step, code: u32) {
        fault::at_message(self.lanes.shared.instance, step, code);
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
