//! A guest: memory, two rings, and the driver that sends and receives on them.
//!
//! The driver never touches the vhost-user socket. The [`super::connector`] does, and both share a
//! [`Device`]: when the connection breaks the rings stay as they are, and go on at the used index when
//! there is a new one.

mod device;
mod spec;

use std::sync::Arc;

use super::endpoint::{Endpoint, Link};
use super::error::Result;
use super::rx_queue::RxQueue;
use super::split_ring::RingError;
use super::tx_queue::TxQueue;
use super::virtio_net::{Negotiated, RX, TX};

pub(crate) use device::Device;
pub use spec::{GuestSpec, Socket};

/// The driver's end of one device.
#[derive(Debug)]
pub(crate) struct Guest {
    device: Arc<Device>,
    rx: RxQueue,
    tx: TxQueue,
    interrupts: bool,
    connects: u64,
    broken: bool,
}

impl Guest {
    /// Makes memory and rings; nothing is connected yet.
    pub(crate) fn new(spec: &GuestSpec) -> Result<Self> {
        let (device, rx, tx) = device::build(spec)?;
        let interrupts = spec.interrupts;
        Ok(Self {
            device: Arc::new(device),
            rx,
            tx,
            interrupts,
            connects: 0,
            broken: false,
        })
    }

    /// What the connector needs to connect it.
    pub(crate) fn device(&self) -> Arc<Device> {
        self.device.clone()
    }

    fn start_rings(&mut self) {
        let negotiated = Negotiated::new(self.device.link.features());
        let Negotiated {
            mergeable,
            indirect,
            event_idx,
        } = negotiated;
        self.rx.start(mergeable, event_idx, self.interrupts);
        self.tx.start(indirect, event_idx, self.interrupts);
        self.rx.publish();
    }

    fn is_usable(&self) -> bool {
        self.connects > 0 && !self.broken
    }

    fn kick(&self, ring: usize) {
        // A full counter means that the device has not even looked at the last kicks.
        let _ = self.device.rings[ring].kick.write(1);
    }

    fn break_down(&mut self, error: RingError) {
        self.broken = true;
        self.device.link.break_down(error);
    }
}

impl Endpoint for Guest {
    fn send(&mut self, frame: &[u8]) -> bool {
        if !self.is_usable() || !self.device.link.is_up() {
            return false;
        }
        self.tx.send(frame).unwrap_or_else(|error| {
            self.break_down(error);
            false
        })
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        if !self.is_usable() {
            return None;
        }
        self.rx.receive(frame).unwrap_or_else(|error| {
            self.break_down(error);
            None
        })
    }

    fn flush(&mut self) {
        if self.rx.publish() {
            self.kick(RX);
        }
        if self.tx.publish() {
            self.kick(TX);
        }
        if self.is_usable() {
            match self.tx.reclaim() {
                Ok(untaken) => self.device.link.set_untaken(untaken as u64),
                Err(error) => self.break_down(error),
            }
        }
    }

    fn adopt_link(&mut self) -> bool {
        let connects = self.device.link.connects();
        if connects == self.connects {
            return false;
        }
        if self.connects == 0 {
            self.start_rings();
        }
        self.connects = connects;
        // As QEMU does: whatever is in the rings already must be seen.
        self.kick(RX);
        self.kick(TX);
        true
    }

    fn link(&self) -> Arc<Link> {
        self.device.link.clone()
    }
}
