//! Makes the pair this supervisor's own.

use super::super::process::Process;
use super::super::vault::Entry;
use super::super::{Daemon, console, side};
use super::Adopted;
use super::introduction::Told;
use crate::config::{Port, PortMode};
use crate::policy::Event;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use vhost_transfer::message::{AddPort, Standing};
use vhost_transfer::{InstanceId, PortId};

impl Daemon {
    /// The policy hears of ports, then of both instances, then of the active one's devices, so that
    /// the standby is told what it may have missed.
    pub(in super::super) fn take_over(&mut self, mut adopted: Vec<Adopted>) -> io::Result<()> {
        self.know_steering();
        let known: Vec<_> = adopted
            .iter_mut()
            .map(|instance| self.take_ports(std::mem::take(&mut instance.told.ports)))
            .collect();
        let mut devices = Vec::new();
        for (instance, ports) in adopted.into_iter().zip(known) {
            devices.push((
                instance.orphan.instance,
                instance.told.rejoin.standing,
                self.take_instance(instance, ports)?,
            ));
        }
        devices.sort_by_key(|(_, standing, _)| match standing {
            Standing::Active => 0,
            Standing::Standby => 1,
        });
        for (id, standing, entries) in devices {
            for entry in entries {
                match standing {
                    Standing::Active => self.hear_device(id, entry),
                    Standing::Standby => self.restore_device(id, entry),
                }
            }
        }
        Ok(())
    }

    fn take_instance(
        &mut self,
        instance: Adopted,
        ports: BTreeSet<PortId>,
    ) -> io::Result<Vec<Entry>> {
        let Adopted {
            orphan,
            lifeline,
            told: Told {
                rejoin, devices, ..
            },
        } = instance;
        let id = orphan.instance;
        let term = self.ledger.handover().term();
        console::say(format_args!(
            "{id} is taken over as process {}: {:?} in term {term}",
            orphan.pid, rejoin.standing
        ));
        let process = Process::adopt(orphan, lifeline, rejoin.hello, self.poll.registry())?;
        self.processes[id as usize] = Some(process);
        self.recall_uplink(id);
        self.happen(Event::Adopted {
            instance: id,
            standing: rejoin.standing,
            term,
            ports,
        });
        Ok(devices)
    }

    fn take_ports(&mut self, ports: Vec<(AddPort, Option<OwnedFd>)>) -> BTreeSet<PortId> {
        let known = ports.iter().map(|(port, _)| port.port).collect();
        for (port, listener) in ports {
            self.take_port(port, listener);
        }
        known
    }

    /// Both instances tell of each port.
    fn take_port(&mut self, told: AddPort, listener: Option<OwnedFd>) {
        if self.ports.get(told.port).is_some() {
            return;
        }
        let port = Port {
            name: told.name,
            socket: told.path.into(),
            mode: PortMode::from(told.mode),
        };
        match self.ports.keep(told.port, port, listener) {
            Ok(()) => self.happen(Event::PortAdded(told.port)),
            Err(reason) => console::say(format_args!("not taken over: {reason}")),
        }
    }

    /// For when no active one is left to say better.
    fn restore_device(&mut self, instance: InstanceId, entry: Entry) {
        let (port, revision) = (entry.update.port, entry.update.revision);
        self.incoming = Some((port, entry));
        self.happen(Event::Restored {
            instance,
            port,
            revision,
        });
        self.incoming = None;
    }

    /// The NIC is left alone when it delivers to the owner already. Where the one device is open only
    /// the instances know: they are asked when the NIC is steered.
    fn know_steering(&mut self) {
        if self.config.moves_uplink() {
            return;
        }
        let current = self.steering.current().ok().flatten();
        let delivers = InstanceId::BOTH
            .into_iter()
            .find(|&id| current == Some(side(id)));
        if let Some(id) = delivers {
            self.happen(Event::Delivers(id));
        }
    }
}
