//! A pair that had another supervisor.

use super::{Action, Life, Note, Order, State};
use std::collections::BTreeSet;
use vhost_transfer::message::Standing;
use vhost_transfer::{InstanceId, PortId, Term};

impl State {
    /// It runs, and is what it is; it needs no start and no setup. It may have missed a port.
    pub(super) fn adopted(
        &mut self,
        id: InstanceId,
        standing: Standing,
        term: Term,
        ports: &BTreeSet<PortId>,
    ) {
        self.term = self.term.max(term);
        let life = match standing {
            Standing::Active => Life::Active,
            Standing::Standby => Life::Standby,
        };
        self.set_life(id, life);
        self.instance_mut(id).became_ready();
        self.note(Note::Adopted(id, life));
        if standing == Standing::Active {
            self.heir = id;
        }
        let missed: Vec<_> = self.ports.difference(ports).copied().collect();
        for port in missed {
            self.tell(id, Order::AddPort(port));
        }
    }

    /// A standby's device. An owner would know better, also that it is gone.
    pub(super) fn restored(&mut self, id: InstanceId, port: PortId, revision: u64) {
        self.instance_mut(id).has_some_state_of(port);
        let is_known = self.vault.contains_key(&port) || !self.ports.contains(&port);
        if self.active().is_none() && !is_known {
            self.vault.insert(port, revision);
            self.actions.push(Action::Keep(port));
        }
    }

    /// A standby may have missed that a device is gone.
    pub(super) fn tell_adopted_what_is_gone(&mut self) {
        let Some(active) = self.active() else { return };
        let standby = active.other();
        if self.life(standby) != Life::Standby {
            return;
        }
        let vault = &self.vault;
        let gone = self.ports.iter().filter(|port| !vault.contains_key(port));
        for port in gone.copied().collect::<Vec<_>>() {
            self.instance_mut(standby).told_gone = true;
            self.tell(standby, Order::DeviceGone(port));
        }
    }
}
