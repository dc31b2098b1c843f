//! Taking over a pair that runs: its supervisor died, and it goes on by itself.
//!
//! Before anything else happens each instance that was left is heard to the end of its introduction.
//! None is asked for anything, and traffic is not touched. One that does not come in time is killed:
//! nobody could steer the NIC to it or protect it.

use super::process::Process;
use super::roster::Orphan;
use super::vault::Entry;
use super::{Daemon, console, side};
use crate::config::{Port, PortMode};
use crate::policy::Event;
use mio::Registry;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use vhost_transfer::lifeline::LifelineListener;
use vhost_transfer::message::{AddPort, FromInstance, Rejoin, Standing};
use vhost_transfer::{InstanceId, Lifeline, PortId};

/// Instances look for a supervisor every 20 ms.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest of one wait, ms.
const LOOK_EVERY: u8 = 50;

/// An instance as it has introduced itself.
#[derive(Debug)]
pub(super) struct Adopted {
    orphan: Orphan,
    lifeline: Lifeline,
    pub(super) rejoin: Rejoin,
    /// Of the ledger.
    pub(super) ledger: OwnedFd,
    ports: Vec<(AddPort, Option<OwnedFd>)>,
    devices: Vec<Entry>,
}

/// Waits for `orphans`, and hears them.
pub(super) fn adopt(listener: &LifelineListener, mut orphans: Vec<Orphan>) -> Vec<Adopted> {
    let until = Instant::now() + PATIENCE;
    let mut adopted = Vec::new();
    while !orphans.is_empty() && Instant::now() < until {
        wait(listener, &orphans);
        orphans.retain(|orphan| !has_ended(orphan));
        while let Ok(Some((lifeline, peer))) = listener.accept() {
            let Some(at) = orphans.iter().position(|orphan| orphan.pid == peer) else {
                console::say(format_args!("process {peer} is no instance of this pair"));
                continue;
            };
            let orphan = orphans.swap_remove(at);
            let instance = orphan.instance;
            match hear(orphan, lifeline, until) {
                Ok(instance) => adopted.push(instance),
                Err(reason) => console::say(format_args!("{instance} is lost: {reason}")),
            }
        }
    }
    orphans.into_iter().for_each(|orphan| {
        let instance = orphan.instance;
        console::say(format_args!("{instance} does not come back; it is killed"));
        kill(&orphan);
    });
    adopted
}

/// The whole introduction. An instance that cannot give it is killed.
fn hear(orphan: Orphan, mut lifeline: Lifeline, until: Instant) -> Result<Adopted, String> {
    match introduction(&orphan, &mut lifeline, until) {
        Ok(told) => Ok(Adopted {
            orphan,
            lifeline,
            rejoin: told.rejoin,
            ledger: told.ledger,
            ports: told.ports,
            devices: told.devices,
        }),
        Err(reason) => {
            kill(&orphan);
            Err(reason)
        }
    }
}

struct Told {
    rejoin: Rejoin,
    ledger: OwnedFd,
    ports: Vec<(AddPort, Option<OwnedFd>)>,
    devices: Vec<Entry>,
}

fn introduction(orphan: &Orphan, lifeline: &mut Lifeline, until: Instant) -> Result<Told, String> {
    let (rejoin, ledger) = match next(lifeline, until)? {
        (FromInstance::Rejoin(rejoin), mut fds) if rejoin.instance == orphan.instance => {
            (rejoin, fds.pop().ok_or("it sent no ledger")?)
        }
        _ => return Err("it does not say who it is".into()),
    };
    let (mut ports, mut devices) = (Vec::new(), Vec::new());
    loop {
        match next(lifeline, until)? {
            (FromInstance::Port(port), mut fds) => ports.push((port, fds.pop())),
            (FromInstance::Device(update), fds) => devices.push(Entry::new(update, fds)),
            (FromInstance::Rejoined, _) => break,
            (other, _) => return Err(format!("it says {other:?} while it introduces itself")),
        }
    }
    Ok(Told {
        rejoin,
        ledger,
        ports,
        devices,
    })
}

fn next(lifeline: &mut Lifeline, until: Instant) -> Result<(FromInstance, Vec<OwnedFd>), String> {
    while Instant::now() < until {
        match lifeline.receive() {
            Ok(Some(received)) => return Ok((received.message, received.fds)),
            Ok(None) => wait_readable(&[lifeline.as_fd()]),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("it has not introduced itself within {PATIENCE:?}"))
}

fn wait(listener: &LifelineListener, orphans: &[Orphan]) {
    let ends = orphans.iter().map(|orphan| orphan.pidfd.as_fd());
    let fds: Vec<_> = std::iter::once(listener.as_fd()).chain(ends).collect();
    wait_readable(&fds);
}

/// Also returns for a signal or an error: who waits looks again, and has a limit.
fn wait_readable(fds: &[BorrowedFd<'_>]) {
    let mut fds: Vec<_> = fds
        .iter()
        .map(|&fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    let _ = poll(&mut fds, PollTimeout::from(LOOK_EVERY));
}

fn has_ended(orphan: &Orphan) -> bool {
    let mut fds = [PollFd::new(orphan.pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn kill(orphan: &Orphan) {
    // A process that has just ended needs none.
    let _ = rustix::process::pidfd_send_signal(&orphan.pidfd, rustix::process::Signal::KILL);
    wait_readable(&[orphan.pidfd.as_fd()]);
}

impl Daemon {
    /// Makes the pair this supervisor's own. The policy hears of ports, then of both instances, then
    /// of the active one's devices, so that the standby is told what it may have missed.
    pub(super) fn take_over(&mut self, mut adopted: Vec<Adopted>) -> io::Result<()> {
        self.know_steering();
        let known: Vec<_> = adopted
            .iter_mut()
            .map(|instance| self.take_ports(std::mem::take(&mut instance.ports)))
            .collect();
        let mut devices = Vec::new();
        for (instance, ports) in adopted.into_iter().zip(known) {
            devices.push((
                instance.rejoin.instance,
                instance.rejoin.standing,
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
            rejoin,
            devices,
            ..
        } = instance;
        let id = orphan.instance;
        console::say(format_args!(
            "{id} is taken over as process {}: {:?} in term {}",
            orphan.pid, rejoin.standing, rejoin.term
        ));
        let registry: &Registry = self.poll.registry();
        let process = Process::adopt(orphan, lifeline, rejoin.hello, registry)?;
        self.processes[id as usize] = Some(process);
        self.happen(Event::Adopted {
            instance: id,
            standing: rejoin.standing,
            term: rejoin.term,
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
        self.ports.keep(told.port, port, listener);
        self.happen(Event::PortAdded(told.port));
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

    /// The NIC is left alone when it delivers to the owner already.
    fn know_steering(&mut self) {
        let current = self.steering.current().ok().flatten();
        let delivers = InstanceId::BOTH
            .into_iter()
            .find(|&id| current == Some(side(id)));
        if let Some(id) = delivers {
            self.happen(Event::Delivers(id));
        }
    }
}
