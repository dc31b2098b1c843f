//! What the policy knows of one instance.

use std::collections::{BTreeMap, BTreeSet};
use vhost_transfer::{PortId, Role, Term};

/// Where an instance stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// There is no process.
    Absent,
    /// There is a process, which has not spoken yet.
    Spawned,
    /// It has spoken, and is told its setup, the ports and the devices.
    Greeted,
    /// It is completely started, and owns nothing and waits for nothing.
    Warm,
    /// It was told to take the lanes.
    Activating,
    /// It owns the lanes.
    Active,
    /// Its successor owns the lanes; it has still to say that it let go.
    Releasing,
    /// It was told to wait for the lane locks, and may take over by itself from now on.
    Arming,
    /// It waits for the lane locks.
    Standby,
    /// It was told to wait for them no longer, and may still take over by itself.
    Disarming,
    /// It was told to leave, or killed, or its lanes are dead; what it says does not count.
    Leaving,
}

impl Life {
    /// The role that it is in. `None`: in none, on its way into one, or out of one.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Active => Some(Role::Active),
            Self::Standby => Some(Role::Standby),
            Self::Absent
            | Self::Spawned
            | Self::Greeted
            | Self::Warm
            | Self::Activating
            | Self::Releasing
            | Self::Arming
            | Self::Disarming
            | Self::Leaving => None,
        }
    }

    /// It owns the lanes, or is about to.
    pub fn owns(self) -> bool {
        matches!(self, Self::Active | Self::Activating)
    }

    /// Its lanes wait for the lane locks, or may.
    pub fn is_armed(self) -> bool {
        matches!(self, Self::Arming | Self::Standby | Self::Disarming)
    }

    /// It listens, and knows all ports and devices.
    pub fn is_told(self) -> bool {
        !matches!(self, Self::Absent | Self::Spawned | Self::Leaving)
    }

    /// It has a process that is not on its way out.
    pub fn is_alive(self) -> bool {
        !matches!(self, Self::Absent | Self::Leaving)
    }
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Where it stands.
    pub life: Life,
    /// Why it, or the one before it, was dropped or died; gone when it is ready again.
    pub trouble: Option<String>,
    /// Deaths in a row, without a calm time in between.
    pub failures: u32,
    /// It was killed, and did not go.
    pub unfenced: bool,
    /// Its lanes have died, and the kernel may be writing its core.
    pub(super) dumps: bool,
    /// The handover whose abort it has still to confirm.
    pub(super) owes_aborted: Option<Term>,
    /// The last handover away from it whose release word was revoked: it may have let go by then, and
    /// takes its lanes back by itself.
    pub(super) revoked: Option<Term>,
    /// It was told that a device is gone, and nothing since that it would answer.
    pub(super) told_gone: bool,
    /// Devices of which it has mapped some state since they came up.
    mapped: BTreeSet<PortId>,
    /// Device updates that it has still to answer, in the order sent.
    unmapped: BTreeMap<PortId, Vec<Sent>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sent {
    revision: u64,
    /// The device is gone meanwhile.
    stale: bool,
}

/// What a `Mapped` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// Nothing that was asked.
    Nothing,
    /// A device that is gone.
    Gone,
    /// A device that is in the vault.
    Device,
}

impl Instance {
    pub(super) fn new() -> Self {
        Self {
            life: Life::Absent,
            trouble: None,
            failures: 0,
            unfenced: false,
            dumps: false,
            owes_aborted: None,
            revoked: None,
            told_gone: false,
            mapped: BTreeSet::new(),
            unmapped: BTreeMap::new(),
        }
    }

    /// It has mapped every device that it was told.
    pub fn has_mapped_all(&self) -> bool {
        self.unmapped.keys().all(|&port| self.has_mapped(port))
    }

    /// It has mapped this device as the vault has it.
    pub fn has_mapped(&self, port: PortId) -> bool {
        let sent = self.unmapped.get(&port).map_or(&[][..], Vec::as_slice);
        sent.iter().all(|sent| sent.stale)
    }

    pub(super) fn sent(&mut self, port: PortId, revision: u64) {
        let stale = false;
        let sent = self.unmapped.entry(port).or_default();
        sent.push(Sent { revision, stale });
    }

    pub(super) fn device_gone(&mut self, port: PortId) {
        self.mapped.remove(&port);
        for sent in self.unmapped.get_mut(&port).into_iter().flatten() {
            sent.stale = true;
        }
    }

    /// Answers come in the order of the updates, so one answer also stands for those before it.
    pub(super) fn answered(&mut self, port: PortId, revision: u64) -> Answered {
        let Some(sent) = self.unmapped.get_mut(&port) else {
            return Answered::Nothing;
        };
        let Some(at) = sent.iter().position(|sent| sent.revision == revision) else {
            return Answered::Nothing;
        };
        let answered = sent.drain(..=at).next_back();
        if sent.is_empty() {
            self.unmapped.remove(&port);
        }
        match answered {
            Some(Sent { stale: true, .. }) => Answered::Gone,
            _ => Answered::Device,
        }
    }

    pub(super) fn has_some_state_of(&mut self, port: PortId) {
        self.mapped.insert(port);
    }

    /// Who owns the lanes knows its devices best, and answers for none. Gives those that it was
    /// told of too late: of which it has mapped no state at all.
    pub(super) fn became_active(&mut self) -> Vec<PortId> {
        self.became_ready();
        self.told_gone = false;
        let unmapped = std::mem::take(&mut self.unmapped).into_iter();
        let open = unmapped.filter(|(_, sent)| sent.iter().any(|sent| !sent.stale));
        open.map(|(port, _)| port)
            .filter(|port| !self.mapped.contains(port))
            .collect()
    }

    /// It is active no longer, and still has all devices.
    pub(super) fn keeps(&mut self, devices: BTreeSet<PortId>) {
        self.mapped = devices;
    }

    pub(super) fn became_ready(&mut self) {
        self.trouble = None;
    }

    /// The process is gone, and with it all that it knew. Why it had to leave comes before how it did.
    pub(super) fn died(&mut self, reason: String, was_leaving: bool) {
        let trouble = match self.trouble.take().filter(|_| was_leaving) {
            Some(known) => Some(format!("{known} ({reason})")),
            None => Some(reason),
        };
        *self = Self {
            trouble,
            failures: self.failures.saturating_add(1),
            ..Self::new()
        };
    }
}
