//! The model of a supervisor that dies, and of the next one, which takes over what it finds.

use super::instance::Lanes;
use super::{Device, Link, Model, World, port};
use std::collections::BTreeSet;
use vhost_transfer::message::Standing;
use vhost_transfer::{InstanceId, PortId, Term};
use vswsup::policy::{Event, Limits, State, Word};

impl World {
    /// What it knew is gone, what it had not heard is never heard, and nobody is told anything.
    pub(crate) fn kill_supervisor(&mut self) {
        self.supervised = false;
        self.state = match self.alone {
            true => State::alone(Limits::default()),
            false => State::new(Limits::default()),
        };
        self.moving = None;
        self.timers.clear();
        self.links_told = [Some(Link::Well); 2];
        self.vault.clear();
        self.unanswered += (self.open.len() + self.open_pins.len()) as u64;
        self.open.clear();
        self.open_pins.clear();
        self.quarantined.clear();
        self.ready = false;
        for model in &mut self.models {
            model.outbox.clear();
        }
    }

    /// As the daemon does: ports, instances, the owner's devices, and what else is configured.
    pub(crate) fn start_supervisor(&mut self) {
        self.supervised = true;
        for id in InstanceId::BOTH {
            self.lose_lifeline(id);
        }
        if let Some(id) = self.nic.filter(|_| !self.moves_uplink) {
            self.happen(Event::Delivers(id));
        }
        self.ports.clear();
        let known: BTreeSet<PortId> = self.models.iter().flat_map(|m| m.ports.clone()).collect();
        for port in known {
            self.happen(Event::PortAdded(port));
        }
        let standings = InstanceId::BOTH.map(|id| (id, self.look(id).standing()));
        if standings.iter().all(|(_, standing)| standing.is_none()) {
            self.begin_ledger();
        }
        for (instance, standing) in standings {
            if let Some(standing) = standing {
                self.happen(Event::Adopted {
                    instance,
                    standing,
                    term: self.begun,
                    ports: self.look(instance).ports.clone(),
                });
            }
        }
        self.hear_devices(standings);
        if !self.ports.contains(&port(1)) {
            self.happen(Event::PortAdded(port(1)));
        }
        self.happen(Event::Start);
    }

    /// The old one went with the last who had it.
    fn begin_ledger(&mut self) {
        (self.begun, self.release) = (Term::default(), Term::default());
        self.owner_died = false;
    }

    fn hear_devices(&mut self, standings: [(InstanceId, Option<Standing>); 2]) {
        for wanted in [Standing::Active, Standing::Standby] {
            for (id, _) in standings.iter().filter(|(_, is)| *is == Some(wanted)) {
                for (port, device) in self.look(*id).devices.clone() {
                    match wanted {
                        Standing::Active => self.hear_device(*id, port, device),
                        Standing::Standby => self.restore(*id, port, device),
                    }
                }
            }
        }
    }

    fn hear_device(&mut self, id: InstanceId, port: PortId, device: Device) {
        let revision = device.revision;
        if self.ports.contains(&port) {
            self.vault.insert(port, device);
        }
        self.happen(Event::Said(id, Word::Device { port, revision }));
    }

    fn restore(&mut self, instance: InstanceId, port: PortId, device: Device) {
        if self.ports.contains(&port) && self.state.active().is_none() {
            self.vault.entry(port).or_insert(device);
        }
        self.happen(Event::Restored {
            instance,
            port,
            revision: device.revision,
        });
    }

    /// A handover is off unless it is released, and who is of no use without a supervisor leaves.
    fn lose_lifeline(&mut self, id: InstanceId) {
        let release = self.release;
        let model = self.model(id);
        let releases = matches!(model.lanes, Lanes::Owning(term) if release > term);
        model.inbox.clear();
        model.outbox.clear();
        model.lane_words.clear();
        model.quiesced &= releases;
        // One that does nothing does not introduce itself either.
        if model.runs && (model.standing().is_none() || model.stuck) {
            model.undead = false;
            self.kill(id);
        }
        let model = self.model(id);
        if let Lanes::LetGo(_) = model.lanes {
            model.lanes = Lanes::Waiting(None);
        }
        if !model.runs {
            *model = Model::default();
        }
    }
}

impl Model {
    fn standing(&self) -> Option<Standing> {
        match self.lanes {
            _ if !self.runs => None,
            Lanes::Owning(_) => Some(Standing::Active),
            Lanes::Waiting(_) | Lanes::LetGo(_) => Some(Standing::Standby),
            Lanes::Idle => None,
        }
    }
}
