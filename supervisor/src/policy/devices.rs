//! Devices: from the owner into the vault, and on to the other instance.
//!
//! The vault stands for its device at every moment: an update is kept and passed on at once, and
//! answered when an armed standby has mapped it. A standby that still starts is not waited for; it
//! is armed only when it has mapped all.

use super::instance::Answered;
use super::{Action, Note, Order, State};
use vhost_transfer::{InstanceId, PortId};

impl State {
    pub(super) fn device(&mut self, from: InstanceId, port: PortId, revision: u64) {
        if !self.life(from).owns() {
            return self.ignore(from, format!("device of port {port}, without owning it"));
        }
        if !self.ports.contains(&port) {
            return self.tell(from, Order::Stored { port, revision });
        }
        self.vault.insert(port, revision);
        self.actions.push(Action::Keep(port));
        self.updates.insert(port, revision);
        let other = from.other();
        if self.life(other).is_told() {
            self.tell_device(other, port, revision);
        }
    }

    pub(super) fn tell_device(&mut self, to: InstanceId, port: PortId, revision: u64) {
        self.instance_mut(to).sent(port, revision);
        self.tell(to, Order::Device(port));
    }

    pub(super) fn device_gone(&mut self, from: InstanceId, port: PortId) {
        if !self.life(from).owns() {
            return self.ignore(
                from,
                format!("end of port {port}'s device, without owning it"),
            );
        }
        self.forget_device(port);
    }

    pub(super) fn mapped(
        &mut self,
        from: InstanceId,
        port: PortId,
        revision: u64,
        trouble: Option<String>,
    ) {
        match (self.instance_mut(from).answered(port, revision), trouble) {
            (Answered::Nothing, _) => {
                self.ignore(from, format!("mapped port {port}, which nobody asked"));
            }
            (Answered::Device, Some(trouble)) if self.instance(from).has_mapped(port) => {
                self.unmappable(from, port, trouble);
            }
            (Answered::Device, Some(_)) => {}
            (Answered::Device, None) => self.instance_mut(from).has_some_state_of(port),
            (Answered::Gone, _) => {}
        }
    }

    /// The newest state cannot be mapped. Beside one that has it such an instance is no spare. Else
    /// it is all there is, and serves what it can.
    fn unmappable(&mut self, id: InstanceId, port: PortId, trouble: String) {
        if self.life(id.other()).owns() || self.is_complete(id.other()) {
            return self.drop_instance(id, format!("cannot map port {port}: {trouble}"));
        }
        self.note(Note::DeviceLost(port, trouble));
        self.forget_device(port);
    }

    /// The lanes run in `id` now. A device that it does not have at all has no one any more; its front
    /// end must connect again, for which the vault's copy of the connection has to go.
    pub(super) fn own_devices(&mut self, id: InstanceId) {
        for port in self.instance_mut(id).became_active() {
            let reason = format!("its connection came up too late for {id}");
            self.note(Note::DeviceLost(port, reason));
            self.forget_device(port);
        }
    }

    /// The lanes run in `id` no longer, by its own will.
    pub(super) fn keep_devices(&mut self, id: InstanceId) {
        let devices = self.vault.keys().copied().collect();
        self.instance_mut(id).keeps(devices);
    }

    /// Who owns the lanes is not told: it knows, or has a newer device behind this port by now. Who takes
    /// them before it hears this says what it serves.
    fn forget_device(&mut self, port: PortId) {
        self.updates.remove(&port);
        if self.vault.remove(&port).is_none() {
            return;
        }
        self.actions.push(Action::Forget(port));
        for id in InstanceId::BOTH {
            self.instance_mut(id).device_gone(port);
            if self.life(id).is_told() && !self.life(id).owns() {
                self.instance_mut(id).told_gone = true;
                self.tell(id, Order::DeviceGone(port));
            }
        }
    }

    /// Answers the updates that are safe: in the vault, and mapped by the standby if there is one.
    pub(super) fn answer_updates(&mut self) {
        let Some(owner) = self.find(super::Life::owns) else {
            return;
        };
        let other = self.instance(owner.other());
        let safe = |port| !other.life.is_armed() || other.has_mapped(port);
        let safe: Vec<_> = self
            .updates
            .iter()
            .map(|(&port, &revision)| (port, revision))
            .filter(|&(port, _)| safe(port))
            .collect();
        for (port, revision) in safe {
            self.updates.remove(&port);
            self.tell(owner, Order::Stored { port, revision });
        }
    }
}
