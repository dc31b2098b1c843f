//! What the lanes serve: a picture of ports and rings, replaced whole when a device changes.

use crate::memory::GuestMemory;
use crate::port::Handled;
use crate::ring::{Cursor, Ring, RingError};
use std::sync::atomic::Ordering::Acquire;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vhost_transfer::device::RingState;
use vhost_transfer::ledger::{Predecessor, RingSlot, Tenure};
use vhost_transfer::{Device, Ledger, MAX_PORTS, PortId};

/// Virtqueue of a net device on which the guest receives (virtio 1.2, section 5.1.2).
const RECEIVE: usize = 0;
/// Virtqueue on which it transmits.
const TRANSMIT: usize = 1;

/// All vhost ports that have a running ring.
#[derive(Debug, Clone)]
pub struct Plan {
    by_port: Vec<Option<Arc<VhostView>>>,
    served: Vec<Arc<VhostView>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            by_port: vec![None; usize::from(MAX_PORTS)],
            served: Vec::new(),
        }
    }
}

impl Plan {
    /// This plan with another view of `port`. A ring that is in both plans goes on: while some lanes
    /// have the old plan and some the new one, they share the place in it.
    pub fn with(&self, port: PortId, mut view: Option<VhostView>) -> Self {
        if let (Some(new), Some(old)) = (&mut view, self.view(port)) {
            new.go_on_from(old);
        }
        let mut by_port = self.by_port.clone();
        by_port[port.index()] = view.map(Arc::new);
        let served = by_port.iter().flatten().cloned().collect();
        Self { by_port, served }
    }

    /// What is behind `port`.
    pub fn view(&self, port: PortId) -> Option<&VhostView> {
        self.by_port[port.index()].as_deref()
    }

    /// All views, by port.
    pub fn views(&self) -> impl Iterator<Item = &VhostView> {
        self.served.iter().map(AsRef::as_ref)
    }
}

/// A device as the lanes see it.
#[derive(Debug)]
pub struct VhostView {
    /// The port that it is behind.
    pub port: PortId,
    /// Packets to the guest; `None` while stopped or disabled.
    pub receive: Option<RingView>,
    /// Packets from the guest; `None` while stopped.
    pub transmit: Option<RingView>,
}

impl VhostView {
    /// The started rings of `device`.
    ///
    /// # Errors
    /// The first ring that does not lie in the guest's memory.
    pub fn new(device: &Device, memory: &Arc<GuestMemory>) -> Result<Self, RingError> {
        let view = |index: usize| {
            let state = device.state.rings.get(index).filter(|ring| ring.started);
            state
                .map(|ring| RingView::new(device, index, ring, memory))
                .transpose()
        };
        Ok(Self {
            port: device.state.port,
            receive: view(RECEIVE)?.filter(|ring| ring.enabled),
            transmit: view(TRANSMIT)?,
        })
    }

    fn go_on_from(&mut self, old: &Self) {
        let rings = [
            (&mut self.receive, &old.receive),
            (&mut self.transmit, &old.transmit),
        ];
        for (new, old) in rings {
            if let (Some(new), Some(old)) = (new, old) {
                new.go_on_from(old);
            }
        }
    }

    /// Signals every call fd once: after a takeover the predecessor may have owed it.
    pub fn signal_calls(&self) {
        self.receive
            .iter()
            .chain(&self.transmit)
            .for_each(|view| view.ring.signal_call());
    }
}

/// A started ring and its owner's place in it.
#[derive(Debug)]
pub struct RingView {
    /// The ring.
    pub ring: Ring,
    /// While disabled, what the guest transmits is taken and thrown away.
    pub enabled: bool,
    index: u16,
    /// Of the device.
    revision: u64,
    cursor: Arc<Mutex<Cursor>>,
}

impl RingView {
    fn new(
        device: &Device,
        index: usize,
        state: &RingState,
        memory: &Arc<GuestMemory>,
    ) -> Result<Self, RingError> {
        Ok(Self {
            ring: Ring::new(&device.state, state, &device.fds.rings[index], memory)?,
            enabled: state.enabled,
            index: index as u16,
            revision: device.state.revision,
            cursor: Arc::new(Mutex::new(Cursor::unplaced())),
        })
    }

    /// A ring that was left alone is tried again: nobody is at work in it.
    fn go_on_from(&mut self, old: &Self) {
        let mut cursor = old.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        if cursor.broken().is_none() {
            cursor.forget_signals();
            self.cursor = Arc::clone(&old.cursor);
        }
    }

    /// The owner's place in this ring, valid in `tenure`. A lane that panicked while it held the
    /// cursor took its process with it, so poison means nothing here.
    pub fn cursor(&self, ledger: &Ledger, port: PortId, tenure: Tenure) -> MutexGuard<'_, Cursor> {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        if cursor.is_of(tenure.term) {
            return cursor;
        }
        if self.is_stale(ledger, port, tenure) {
            cursor.leave_alone(tenure.term, RingError::Stale);
        } else {
            let slot = self.slot(ledger, port);
            cursor.place(&self.ring, slot, tenure.term, tenure.predecessor);
        }
        cursor
    }

    /// The dead owner had changed the device when nobody could tell this instance.
    fn is_stale(&self, ledger: &Ledger, port: PortId, tenure: Tenure) -> bool {
        let handled = Handled::from_word(ledger.handled(port).load(Acquire));
        tenure.predecessor == Predecessor::Died && handled.revision > self.revision
    }

    /// The ring's slot in the ledger.
    pub fn slot<'a>(&self, ledger: &'a Ledger, port: PortId) -> &'a RingSlot {
        ledger
            .ring(port, self.index)
            .expect("a net device's rings have small indices")
    }
}
