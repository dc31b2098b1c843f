//! The file descriptors of a device, in the order in which they travel.

use super::{DeviceState, PackError, RingState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// The fds of a device. Which of them exist is told by its [`DeviceState`]. They are shared, not
/// duplicated, between the successive states of one device in one process.
#[derive(Debug, Clone)]
pub struct DeviceFds {
    /// The vhost-user connection itself.
    pub connection: Arc<OwnedFd>,
    /// One for each memory region, in the same order.
    pub memory: Vec<Arc<OwnedFd>>,
    /// Dirty log.
    pub log: Option<Arc<OwnedFd>>,
    /// Dirty log event.
    pub log_event: Option<Arc<OwnedFd>>,
    /// Back-end channel.
    pub backend_channel: Option<Arc<OwnedFd>>,
    /// One for each ring, in the same order.
    pub rings: Vec<RingFds>,
}

/// The eventfds of a ring.
#[derive(Debug, Clone, Default)]
pub struct RingFds {
    /// The driver signals it: there are new buffers.
    pub kick: Option<Arc<OwnedFd>>,
    /// The device signals it: buffers were used.
    pub call: Option<Arc<OwnedFd>>,
    /// The device signals it: the ring is broken.
    pub err: Option<Arc<OwnedFd>>,
}

impl DeviceFds {
    /// A device whose connection has just come up.
    pub fn new(connection: OwnedFd) -> Self {
        Self {
            connection: Arc::new(connection),
            memory: Vec::new(),
            log: None,
            log_event: None,
            backend_channel: None,
            rings: Vec::new(),
        }
    }

    /// All of them, in the order in which they travel: connection, memory, log, log event,
    /// back-end channel, then kick, call and err of each ring.
    pub fn in_order(&self) -> Vec<BorrowedFd<'_>> {
        let rings = self
            .rings
            .iter()
            .flat_map(|ring| [&ring.kick, &ring.call, &ring.err]);
        std::iter::once(&self.connection)
            .chain(&self.memory)
            .chain(&self.log)
            .chain(&self.log_event)
            .chain(&self.backend_channel)
            .chain(rings.flatten())
            .map(AsFd::as_fd)
            .collect()
    }

    /// Whether there is each fd that `state` tells of, and no other.
    pub(super) fn fit(&self, state: &DeviceState) -> bool {
        let ring = |(fds, ring): (&RingFds, &RingState)| {
            [fds.kick.is_some(), fds.call.is_some(), fds.err.is_some()]
                == [ring.has_kick, ring.has_call, ring.has_err]
        };
        self.memory.len() == state.memory.len()
            && self.log.is_some() == state.log.is_some()
            && self.log_event.is_some() == state.has_log_event
            && self.backend_channel.is_some() == state.has_backend_channel
            && self.rings.len() == state.rings.len()
            && self.rings.iter().zip(&state.rings).all(ring)
    }

    /// How many fds travel with `state`.
    pub fn expected(state: &DeviceState) -> usize {
        let ring = |r: &RingState| {
            [r.has_kick, r.has_call, r.has_err]
                .into_iter()
                .filter(|&has| has)
                .count()
        };
        1 + state.memory.len()
            + usize::from(state.log.is_some())
            + usize::from(state.has_log_event)
            + usize::from(state.has_backend_channel)
            + state.rings.iter().map(ring).sum::<usize>()
    }

    /// Gives each received fd its place.
    ///
    /// # Errors
    /// When there are not exactly [`Self::expected`] of them.
    pub fn assign(state: &DeviceState, fds: Vec<OwnedFd>) -> Result<Self, PackError> {
        let (expected, got) = (Self::expected(state), fds.len());
        if expected != got {
            return Err(PackError::FdCount { expected, got });
        }
        let mut fds = fds.into_iter().map(Arc::new);
        let mut take = |exists: bool| if exists { fds.next() } else { None };
        let missing = PackError::FdCount { expected, got };
        Ok(Self {
            connection: take(true).ok_or(missing)?,
            memory: state.memory.iter().filter_map(|_| take(true)).collect(),
            log: take(state.log.is_some()),
            log_event: take(state.has_log_event),
            backend_channel: take(state.has_backend_channel),
            rings: state
                .rings
                .iter()
                .map(|ring| RingFds {
                    kick: take(ring.has_kick),
                    call: take(ring.has_call),
                    err: take(ring.has_err),
                })
                .collect(),
        })
    }
}
