//! Taking over a pair that runs: its supervisor died, and it goes on by itself.
//!
//! Before anything else happens each instance that was left is heard to the end of its introduction.
//! None is asked for anything, and traffic is not touched. One is killed only for what it did wrong
//! itself. What this supervisor cannot do or does not understand is no reason: it does not start then,
//! and the instances go on and wait for another.

mod introduction;
mod quarrel;
mod take_over;
#[cfg(test)]
mod tests;

pub(super) use introduction::Adopted;

use super::roster::Orphan;
use super::{DaemonError, console};
use crate::Config;
use introduction::Fault;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, Signal, pidfd_send_signal};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use vhost_transfer::lifeline::LifelineListener;
use vhost_transfer::message::Standing;
use vhost_transfer::{Lifeline, MAX_LANES};

/// The longest of one wait, ms.
const LOOK_EVERY: u8 = 50;

/// How long instances are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For an introduction to end, once it has begun.
    introduction: Duration,
    /// For an instance to come, while the active one has. They look every 20 ms.
    spare: Duration,
    /// For an instance to come, while none that has is active: it may be the one that serves.
    active: Duration,
    /// For a killed process to end.
    end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            introduction: Duration::from_secs(2),
            spare: Duration::from_secs(2),
            active: Duration::from_secs(30),
            end: Duration::from_secs(10),
        }
    }
}

/// Waits for `orphans`, and hears them.
///
/// # Errors
/// [`DaemonError::Adopt`] when one cannot be understood, [`DaemonError::Unfenced`] when one cannot be
/// got rid of. Those that were heard lose this supervisor again.
pub(super) fn adopt(
    listener: &LifelineListener,
    orphans: Vec<Orphan>,
    patience: Patience,
) -> Result<Vec<Adopted>, DaemonError> {
    let mut adoption = Adoption::new(orphans, patience);
    while adoption.is_waiting() {
        adoption.wait(listener);
        let caller = listener
            .accept()
            .map_err(|error| DaemonError::Adopt(format!("an instance cannot connect: {error}")))?;
        if let Some((lifeline, peer)) = caller {
            adoption.meet(peer, lifeline)?;
        }
    }
    adoption.end()
}

/// Who came, and who is still missing.
struct Adoption {
    patience: Patience,
    orphans: Vec<Orphan>,
    adopted: Vec<Adopted>,
    /// When somebody was last heard to the end: meanwhile the others could not be.
    since: Instant,
}

impl Adoption {
    fn new(orphans: Vec<Orphan>, patience: Patience) -> Self {
        Self {
            patience,
            orphans,
            adopted: Vec::new(),
            since: Instant::now(),
        }
    }

    fn is_waiting(&mut self) -> bool {
        self.orphans.retain(|orphan| !has_ended(orphan));
        let mut standings = self.adopted.iter().map(|came| came.told.rejoin.standing);
        let limit = if standings.any(|standing| standing == Standing::Active) {
            self.patience.spare
        } else {
            self.patience.active
        };
        !self.orphans.is_empty() && self.since.elapsed() < limit
    }

    fn wait(&self, listener: &LifelineListener) {
        let ends = self.orphans.iter().map(|orphan| orphan.pidfd.as_fd());
        let fds: Vec<_> = std::iter::once(listener.as_fd()).chain(ends).collect();
        wait_readable(&fds);
    }

    /// The process `peer` has connected.
    fn meet(&mut self, peer: Pid, lifeline: Lifeline) -> Result<(), DaemonError> {
        let Some(at) = self.orphans.iter().position(|orphan| orphan.pid == peer) else {
            console::say(format_args!("process {peer} is no instance of this pair"));
            return Ok(());
        };
        let orphan = self.orphans.swap_remove(at);
        let instance = orphan.instance;
        match introduction::hear(orphan, lifeline, self.patience.introduction) {
            Ok(came) => self.adopted.push(came),
            Err((orphan, Fault::Closed)) => {
                self.orphans.push(orphan);
                return Ok(());
            }
            Err((orphan, Fault::Theirs(reason))) => {
                console::say(format_args!("{instance} is killed: {reason}"));
                kill(&orphan, self.patience.end)?;
            }
            Err((_, Fault::Ours(reason))) => {
                return Err(DaemonError::Adopt(format!("{instance}: {reason}")));
            }
        }
        self.since = Instant::now();
        Ok(())
    }

    fn end(mut self) -> Result<Vec<Adopted>, DaemonError> {
        for orphan in &self.orphans {
            let instance = orphan.instance;
            console::say(format_args!("{instance} does not come back; it is killed"));
            kill(orphan, self.patience.end)?;
        }
        if let Some((loser, reason)) = quarrel::loser(&self.adopted)? {
            let Adopted { orphan, .. } = self.adopted.remove(loser);
            console::say(format_args!("{} is killed: {reason}", orphan.instance));
            kill(&orphan, self.patience.end)?;
        }
        Ok(self.adopted)
    }
}

/// A ring's lane is its number modulo the number of lanes: with another number a ring could have two.
///
/// # Errors
/// [`DaemonError::Lanes`].
pub(super) fn require_same_lanes(adopted: &[Adopted], config: &Config) -> Result<(), DaemonError> {
    let Some(Adopted { told, orphan, .. }) = adopted.first() else {
        return Ok(());
    };
    let ran = |&lane: &u16| told.ledger.lane(lane).thread.load(Relaxed) != 0;
    let running = (0..MAX_LANES).take_while(ran).count();
    let configured = config.instance(orphan.instance).lanes.len();
    if running == configured || running == 0 {
        return Ok(());
    }
    Err(DaemonError::Lanes {
        place: config.place("vswitch.lanes"),
        running,
        configured,
    })
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

/// Nobody may take its place before it has ended: its lanes may run until then.
fn kill(orphan: &Orphan, limit: Duration) -> Result<(), DaemonError> {
    // A process that has just ended needs none.
    let _ = pidfd_send_signal(&orphan.pidfd, Signal::KILL);
    let until = Instant::now() + limit;
    while !has_ended(orphan) {
        if Instant::now() >= until {
            return Err(DaemonError::Unfenced(orphan.pid.as_raw_nonzero().get()));
        }
        wait_readable(&[orphan.pidfd.as_fd()]);
    }
    Ok(())
}
