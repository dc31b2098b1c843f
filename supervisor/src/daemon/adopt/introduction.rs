//! What an instance says of itself to a supervisor that has not started it.

use super::super::roster::Orphan;
use super::super::vault::Entry;
use super::wait_readable;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use vhost_transfer::lifeline::LifelineError;
use vhost_transfer::message::{AddPort, FromInstance, Rejoin};
use vhost_transfer::{InstanceId, Ledger, Lifeline, MAX_PORTS};

/// Each port, and a device for each.
const MOST: usize = 2 * MAX_PORTS as usize;

/// An instance that has introduced itself.
#[derive(Debug)]
pub(in super::super) struct Adopted {
    pub(super) orphan: Orphan,
    pub(super) lifeline: Lifeline,
    pub(in super::super) told: Told,
}

/// What it said.
#[derive(Debug)]
pub(in super::super) struct Told {
    pub(super) rejoin: Rejoin,
    pub(in super::super) ledger: Ledger,
    pub(super) ports: Vec<(AddPort, Option<OwnedFd>)>,
    pub(super) devices: Vec<Entry>,
}

/// Why it was not heard to the end.
#[derive(Debug)]
pub(super) enum Fault {
    /// It has ended, or will connect again.
    Closed,
    /// It is not to be trusted.
    Theirs(String),
    /// It may be well: this supervisor cannot understand it, or lacks what it takes.
    Ours(String),
}

/// The whole introduction, which takes at most `patience`.
pub(super) fn hear(
    orphan: Orphan,
    mut lifeline: Lifeline,
    patience: Duration,
) -> Result<Adopted, (Orphan, Fault)> {
    let until = Instant::now() + patience;
    match introduction(orphan.instance, &mut lifeline, until) {
        Ok(told) => Ok(Adopted {
            orphan,
            lifeline,
            told,
        }),
        Err(fault) => Err((orphan, fault)),
    }
}

fn introduction(
    instance: InstanceId,
    lifeline: &mut Lifeline,
    until: Instant,
) -> Result<Told, Fault> {
    let (rejoin, ledger) = first(instance, lifeline, until)?;
    let (mut ports, mut devices) = (Vec::new(), Vec::new());
    while ports.len() + devices.len() <= MOST {
        match next(lifeline, until)? {
            (FromInstance::Port(port), mut fds) => ports.push((port, fds.pop())),
            (FromInstance::Device(update), fds) => devices.push(Entry::new(update, fds)),
            (FromInstance::Rejoined, _) => {
                return Ok(Told {
                    rejoin,
                    ledger,
                    ports,
                    devices,
                });
            }
            (other, _) => {
                let reason = format!("it says {other:?} while it introduces itself");
                return Err(Fault::Theirs(reason));
            }
        }
    }
    let reason = format!("it tells of more than {MOST} ports and devices");
    Err(Fault::Theirs(reason))
}

fn first(
    instance: InstanceId,
    lifeline: &mut Lifeline,
    until: Instant,
) -> Result<(Rejoin, Ledger), Fault> {
    match next(lifeline, until)? {
        (FromInstance::Rejoin(rejoin), mut fds) if rejoin.instance == instance => {
            let ledger = fds
                .pop()
                .ok_or_else(|| Fault::Theirs("it sent no ledger".into()))?;
            let ledger = Ledger::open(ledger).map_err(|error| Fault::Ours(error.to_string()))?;
            Ok((rejoin, ledger))
        }
        (FromInstance::Rejoin(rejoin), _) => Err(Fault::Theirs(format!(
            "it says that it is {}",
            rejoin.instance
        ))),
        (_, _) => Err(Fault::Theirs("it does not say who it is".into())),
    }
}

fn next(lifeline: &mut Lifeline, until: Instant) -> Result<(FromInstance, Vec<OwnedFd>), Fault> {
    while Instant::now() < until {
        match lifeline.receive() {
            Ok(Some(received)) => return Ok((received.message, received.fds)),
            Ok(None) => wait_readable(&[lifeline.as_fd()]),
            Err(LifelineError::Closed) => return Err(Fault::Closed),
            Err(error) => return Err(Fault::Ours(error.to_string())),
        }
    }
    let reason = "it connected, and did not introduce itself in time";
    Err(Fault::Theirs(reason.into()))
}
