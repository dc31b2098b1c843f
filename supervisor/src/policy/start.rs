//! How instances come and go.

use super::{Action, Life, Note, Order, State};
use vhost_transfer::{InstanceId, PortId};

impl State {
    pub(super) fn start(&mut self) {
        for id in InstanceId::BOTH {
            if self.life(id) == Life::Absent && self.has_room_for(id) && !self.is_held(id) {
                self.spawn(id);
            }
        }
        self.tell_adopted_what_is_gone();
        self.started = true;
    }

    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    pub(super) fn spawn(&mut self, id: InstanceId) {
        self.set_life(id, Life::Spawned);
        self.actions.push(Action::Spawn(id));
    }

    /// Tells a new instance everything at once; what changes later is told as it changes.
    pub(super) fn hello(&mut self, id: InstanceId) {
        if self.life(id) != Life::Spawned {
            return self.drop_instance(id, "said hello twice".into());
        }
        self.set_life(id, Life::Greeted);
        self.tell(id, Order::Setup);
        for port in self.ports.clone() {
            self.tell(id, Order::AddPort(port));
        }
        for (port, revision) in self.vault.clone() {
            self.tell_device(id, port, revision);
        }
    }

    pub(super) fn warm(&mut self, id: InstanceId) {
        if self.life(id) != Life::Greeted {
            return self.ignore(id, "warm at the wrong time");
        }
        self.set_life(id, Life::Warm);
    }

    pub(super) fn port_added(&mut self, port: PortId) {
        self.ports.insert(port);
        self.tell_all(Order::AddPort(port));
    }

    pub(super) fn port_removed(&mut self, port: PortId) {
        self.ports.remove(&port);
        if self.vault.remove(&port).is_some() {
            self.actions.push(Action::Forget(port));
        }
        self.updates.remove(&port);
        self.blamed.remove(&port);
        for instance in &mut self.instances {
            instance.device_gone(port);
        }
        self.tell_all(Order::RemovePort(port));
    }

    fn tell_all(&mut self, order: Order) {
        for id in InstanceId::BOTH {
            if self.life(id).is_told() {
                self.tell(id, order);
            }
        }
    }

    /// Gives up an instance: it is killed, and started again when it is gone.
    pub(super) fn drop_instance(&mut self, id: InstanceId, reason: String) {
        if !self.life(id).is_alive() {
            return;
        }
        self.set_life(id, Life::Leaving);
        self.instance_mut(id).trouble = Some(reason.clone());
        self.note(Note::Dropped(id, reason));
        self.actions.push(Action::Kill(id));
    }

    pub(super) fn drop_armed(&mut self, reason: String) {
        if let Some(id) = self.find(Life::is_armed) {
            self.drop_instance(id, reason);
        }
    }

    pub(super) fn died(&mut self, id: InstanceId, reason: String) {
        if self.life(id) == Life::Absent {
            return;
        }
        self.note(Note::Died(id, reason.clone()));
        let was_leaving = self.life(id) == Life::Leaving;
        self.set_life(id, Life::Absent);
        self.instance_mut(id).died(reason, was_leaving);
        self.heir = self.heir_after(id);
        self.note_if_given_up(id);
    }
}
