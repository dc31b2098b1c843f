//! The supervisor's copy of every device: packed bytes and fds, which it never looks into.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use vhost_transfer::PortId;
use vhost_transfer::message::DeviceUpdate;

/// One device as its instance packed it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) update: DeviceUpdate,
    fds: Vec<OwnedFd>,
}

impl Entry {
    pub(super) fn new(update: DeviceUpdate, fds: Vec<OwnedFd>) -> Self {
        Self { update, fds }
    }

    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.fds.iter().map(AsFd::as_fd).collect()
    }
}

/// The newest state of each device.
#[derive(Debug, Default)]
pub(super) struct Vault {
    entries: BTreeMap<PortId, Entry>,
}

impl Vault {
    /// Takes the place of what was there for this port, whose fds are closed.
    pub(super) fn keep(&mut self, port: PortId, entry: Entry) {
        self.entries.insert(port, entry);
    }

    pub(super) fn forget(&mut self, port: PortId) {
        self.entries.remove(&port);
    }

    pub(super) fn get(&self, port: PortId) -> Option<&Entry> {
        self.entries.get(&port)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (PortId, &Entry)> {
        self.entries.iter().map(|(&port, entry)| (port, entry))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
