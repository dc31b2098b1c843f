//! An end of a flow: a guest, the uplink, or a fake in a test.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::{self, Nanos};

/// Sends and receives frames without ever blocking. Owned and polled by the instrument's one thread.
pub trait Endpoint: Send {
    /// Sends a frame of 60 to 1514 bytes, at the latest with the next [`Endpoint::flush`].
    /// Returns false when it cannot: its own ring is full or its link is down.
    fn send(&mut self, frame: &[u8]) -> bool;

    /// Puts the next received frame into `frame`, which has room for 1514 bytes. Returns its length.
    fn receive(&mut self, frame: &mut [u8]) -> Option<usize>;

    /// Ends a burst of `send` and `receive`: shows it to the other side and wakes it if it sleeps.
    fn flush(&mut self);

    /// Adopts a link that came up. Returns true once for each time, and the endpoint is announced then.
    fn adopt_link(&mut self) -> bool;

    /// The state that other threads may read while the endpoint works.
    fn link(&self) -> Arc<Link>;
}

/// What happened to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkEvent {
    /// When it was noticed.
    pub at: Nanos,
    /// Whether the link came up or went down.
    pub up: bool,
}

/// The state of an endpoint's link, shared between threads.
#[derive(Debug, Default)]
pub struct Link {
    up: AtomicBool,
    connects: AtomicU64,
    disconnects: AtomicU64,
    features: AtomicU64,
    overflowed: AtomicU64,
    untaken: AtomicU64,
    broken: AtomicBool,
    events: Mutex<Vec<LinkEvent>>,
    fault: Mutex<Option<String>>,
}

impl Link {
    /// A link that is down and was never up.
    pub fn down() -> Arc<Self> {
        Arc::default()
    }

    /// A link that is up, as one without a connection always is.
    pub fn always_up() -> Arc<Self> {
        let link = Link::down();
        link.come_up(0);
        link
    }

    /// Whether frames can cross.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// How often the link came up.
    pub fn connects(&self) -> u64 {
        self.connects.load(Ordering::Acquire)
    }

    /// How often the link came up after the first time.
    pub fn reconnects(&self) -> u64 {
        self.connects().saturating_sub(1)
    }

    /// How often the vhost-user connection was closed by the other side.
    pub fn disconnects(&self) -> u64 {
        self.disconnects.load(Ordering::Acquire)
    }

    /// The virtio features in use; 0 for an endpoint without.
    pub fn features(&self) -> u64 {
        self.features.load(Ordering::Acquire)
    }

    /// Frames that the instrument's own receive ring had no room for, where the kernel tells.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Frames that wait in the endpoint's transmit ring: the switch has not taken them.
    pub fn untaken(&self) -> u64 {
        self.untaken.load(Ordering::Relaxed)
    }

    /// Whether the driver gave a ring up because of what the device wrote into it.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Every change of the link, oldest first.
    pub fn events(&self) -> Vec<LinkEvent> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What went wrong last, if anything did.
    pub fn fault(&self) -> Option<String> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn come_up(&self, features: u64) {
        self.record(true);
        self.features.store(features, Ordering::Release);
        self.connects.fetch_add(1, Ordering::AcqRel);
        self.up.store(true, Ordering::Release);
    }

    pub(crate) fn go_down(&self) {
        self.up.store(false, Ordering::Release);
        self.disconnects.fetch_add(1, Ordering::AcqRel);
        self.record(false);
    }

    pub(crate) fn set_fault(&self, fault: impl ToString) {
        let mut current = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(fault.to_string());
    }

    pub(crate) fn break_down(&self, fault: impl ToString) {
        self.set_fault(fault);
        self.broken.store(true, Ordering::Release);
    }

    pub(crate) fn set_untaken(&self, frames: u64) {
        self.untaken.store(frames, Ordering::Relaxed);
    }

    pub(crate) fn add_overflowed(&self, frames: u64) {
        self.overflowed.fetch_add(frames, Ordering::Relaxed);
    }

    fn record(&self, up: bool) {
        let event = LinkEvent {
            at: clock::now(),
            up,
        };
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }
}
