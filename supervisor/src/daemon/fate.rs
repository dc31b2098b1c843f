//! What each instance hung on or died of, as far as it is known.

use super::Daemon;
use super::process::End;
use super::watch::Hang;
use crate::policy::Event;
use std::cmp::Ordering;
use std::time::{Duration, Instant};
use vhost_transfer::ledger::Death;
use vhost_transfer::{InstanceId, PortId};

/// Words of one process that are ignored and told of.
const MOST_IGNORED: u32 = 20;

/// Of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub(super) hang: Option<Hang>,
    /// What the dying process itself wrote into the ledger.
    pub(super) death: Option<Death>,
    /// When that was seen.
    dies_since: Option<Instant>,
    /// With the number of the process.
    pub(super) end: Option<(i32, End)>,
    /// The policy was told over which port.
    blamed: bool,
    /// How much of what it said was ignored.
    ignored: u32,
}

impl Fate {
    /// The port at which it points.
    pub(super) fn port(&self) -> Option<PortId> {
        let died = self.death.and_then(|death| death.port);
        let hung = self.hang.and_then(|hang| hang.port);
        died.or(hung).filter(|&port| port != PortId::UPLINK)
    }
}

/// Of both instances: of the process that is there, and of the one before it as long as nobody has
/// taken its place.
#[derive(Debug, Default)]
pub(super) struct Fates {
    now: [Fate; 2],
    fallen: [Option<Fate>; 2],
}

impl Fates {
    /// A new process.
    pub(super) fn began(&mut self, id: InstanceId) {
        self.now[id as usize] = Fate::default();
    }

    pub(super) fn hangs(&mut self, id: InstanceId, hang: Hang) {
        self.now[id as usize].hang = Some(hang);
    }

    /// One more of its words is ignored: as often as [`MOST_IGNORED`], less, or more.
    pub(super) fn count_ignored(&mut self, id: InstanceId) -> Ordering {
        let ignored = &mut self.now[id as usize].ignored;
        *ignored = ignored.saturating_add(1);
        (*ignored).cmp(&MOST_IGNORED)
    }

    /// It has got a fatal signal, no longer than `patience` ago.
    pub(super) fn dies(&self, id: InstanceId, patience: Duration) -> bool {
        self.now[id as usize]
            .dies_since
            .is_some_and(|since| since.elapsed() < patience)
    }

    pub(super) fn ended(&mut self, id: InstanceId, pid: i32, end: End) {
        let fate = &mut self.now[id as usize];
        fate.end = Some((pid, end));
        self.fallen[id as usize] = Some(fate.clone());
    }

    /// Of the process whose place was taken.
    pub(super) fn of_fallen(&mut self, id: InstanceId) -> Fate {
        let fallen = self.fallen[id as usize].take();
        fallen.unwrap_or_else(|| self.now[id as usize].clone())
    }

    /// Of the process that is there, or has just ended.
    pub(super) fn of(&self, id: InstanceId) -> &Fate {
        &self.now[id as usize]
    }

    /// It has a role again: what was before does not matter any more.
    pub(super) fn is_back(&mut self, id: InstanceId) {
        self.fallen[id as usize] = None;
    }
}

impl Daemon {
    /// Takes what `id` may have left in the ledger about its death.
    pub(super) fn note_death(&mut self, id: InstanceId) {
        if let Some(death) = self.ledger.instance(id).take_death() {
            let fate = &mut self.fates.now[id as usize];
            fate.death = Some(death);
            fate.dies_since = Some(Instant::now());
        }
    }

    /// Tells the policy once over which port `id` hung or died.
    pub(super) fn blame(&mut self, id: InstanceId) {
        let fate = &mut self.fates.now[id as usize];
        if let Some(port) = fate.port().filter(|_| !fate.blamed) {
            fate.blamed = true;
            self.happen(Event::Blamed(id, port));
        }
    }
}
