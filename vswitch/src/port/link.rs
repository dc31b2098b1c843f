//! One connection and its device: from a message in the socket to its answer.
//!
//! A message that changes the device is looked at, not taken; its effect is worked out, the new
//! device goes to the vault, and only when it is there the message is consumed, the lanes learn of
//! it, and the answer is sent. The new device carries the message along, so that a successor knows
//! it when it finds it still in the socket.

mod answering;

use super::{Backend, Handled, Step};
use crate::memory::{GuestMemory, MemoryError};
use crate::vhost_user::connection::{self, ConnectionError, Incoming};
use crate::vhost_user::features::MEMORY_SLOTS;
use crate::vhost_user::{Header, Outcome, Refusal, Request, answer, apply, check};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use vhost_transfer::device::{MemoryRegion, SocketMode};
use vhost_transfer::ledger::RingPosition;
use vhost_transfer::{Device, DeviceFds, DeviceState, PortId};

/// Messages that are handled before other ports have their turn.
const ROUND: usize = 64;

/// Why a connection comes to its end.
#[derive(Debug)]
pub(super) enum Ending {
    /// By the front end's wish.
    FrontEndLeft,
    /// By this side's, and why.
    Trouble(String),
}

/// How far reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// To the end, or to a message that waits for the vault.
    Done,
    /// There may be more to read.
    More,
}

/// A connection and the device behind it.
#[derive(Debug)]
pub(super) struct Link {
    device: Device,
    memory: Arc<GuestMemory>,
    waiting: Option<Waiting>,
    /// Another instance had it before, and may have died over a message.
    inherited: bool,
    refusals: u32,
}

/// For what the vault is waited for.
#[derive(Debug)]
enum Waiting {
    /// The first revision: nothing is read before the vault has the connection.
    Connection,
    /// A message that changes the device.
    Change(Box<Change>),
}

#[derive(Debug)]
struct Change {
    header: Header,
    request: Request,
    length: usize,
    device: Device,
    memory: Arc<GuestMemory>,
}

impl Link {
    /// A front end has connected.
    pub(super) fn open(
        port: PortId,
        mode: SocketMode,
        socket: OwnedFd,
        backend: &mut dyn Backend,
    ) -> Self {
        let mut state = DeviceState::new(port, mode, MEMORY_SLOTS);
        // Of a port they never go back, so that an old copy is known for what it is.
        state.revision = backend.noted(port).revision + 1;
        let device = Device {
            state,
            fds: DeviceFds::new(socket),
        };
        let revision = device.state.revision;
        backend.note(port, Handled::all(revision));
        backend.store(&device);
        let waiting = Some(Waiting::Connection);
        Self {
            device,
            memory: Arc::default(),
            waiting,
            inherited: false,
            refusals: 0,
        }
    }

    /// A device that another instance serves, or served.
    pub(super) fn adopt(
        device: Device,
        before: Option<&Arc<GuestMemory>>,
    ) -> Result<Self, Refusal> {
        check(&device.state)?;
        let memory = map(
            GuestMemory::adopt,
            &device,
            before.unwrap_or(&Arc::default()),
        )?;
        Ok(Self {
            device,
            memory,
            waiting: None,
            inherited: true,
            refusals: 0,
        })
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    /// The device, with the change that waits for the vault if there is one.
    pub(super) fn newest(&self) -> &Device {
        match &self.waiting {
            Some(Waiting::Change(change)) => &change.device,
            Some(Waiting::Connection) | None => &self.device,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Another instance served it since this one did.
    pub(super) fn served_by_others(&mut self) {
        self.inherited = true;
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.device.fds.connection.as_fd()
    }

    /// Handles messages until there are none, or the vault must be waited for.
    pub(super) fn read(&mut self, backend: &mut dyn Backend) -> Result<Progress, Ending> {
        if std::mem::take(&mut self.inherited) {
            self.inherit(backend)?;
        }
        for _ in 0..ROUND {
            if self.is_waiting() {
                return Ok(Progress::Done);
            }
            match connection::peek(self.socket())? {
                Some(incoming) => self.handle(incoming, backend)?,
                None => return Ok(Progress::Done),
            }
        }
        Ok(Progress::More)
    }

    /// The vault has `revision`.
    pub(super) fn on_stored(
        &mut self,
        revision: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Ending> {
        let expected = match &self.waiting {
            Some(Waiting::Connection) => self.device.state.revision,
            Some(Waiting::Change(change)) => change.device.state.revision,
            None => return Ok(()),
        };
        if revision != expected {
            return Ok(());
        }
        match self.waiting.take() {
            Some(Waiting::Change(change)) => self.finish(*change, backend),
            Some(Waiting::Connection) | None => {
                backend.apply(self.port(), Some((&self.device, &self.memory)));
                Ok(())
            }
        }
    }

    fn handle(&mut self, mut incoming: Incoming, backend: &mut dyn Backend) -> Result<(), Ending> {
        backend.reached(Step::Peeked, incoming.header.code);
        let fds = std::mem::take(&mut incoming.fds);
        let request = match Request::parse(incoming.header.code, incoming.payload()) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(&incoming, None, &refusal, backend),
        };
        let done = apply(&self.device, &request, fds)
            .and_then(|outcome| self.begin(&incoming, &request, outcome, backend));
        match done {
            Ok(true) => self.settle(&incoming.header, &request, incoming.bytes.len(), backend),
            Ok(false) => Ok(()),
            Err(refusal) => self.refuse(&incoming, Some(&request), &refusal, backend),
        }
    }

    /// Whether nothing has to be stored.
    fn begin(
        &mut self,
        incoming: &Incoming,
        request: &Request,
        mut outcome: Outcome,
        backend: &mut dyn Backend,
    ) -> Result<bool, Refusal> {
        if let Some(mac) = outcome.rarp {
            backend.send_rarp(self.port(), mac);
        }
        let Some(mut device) = outcome.device.take() else {
            return Ok(true);
        };
        let memory = match outcome.memory_changed {
            true => map(GuestMemory::map, &device, &self.memory)?,
            false => Arc::clone(&self.memory),
        };
        self.move_rings(&mut device, request, &outcome, backend);
        device.state.revision = self.device.state.revision + 1;
        device.state.at_hand = Some(incoming.bytes.clone().into());
        backend.reached(Step::Packed, incoming.header.code);
        backend.store(&device);
        backend.reached(Step::Sent, incoming.header.code);
        self.waiting = Some(Waiting::Change(Box::new(Change {
            header: incoming.header,
            request: request.clone(),
            length: incoming.bytes.len(),
            device,
            memory,
        })));
        Ok(false)
    }

    /// Where a ring stopped goes into its state; where one starts, into the ledger: no lane looks
    /// there yet, so that this may be done before the vault has the device.
    fn move_rings(
        &self,
        device: &mut Device,
        request: &Request,
        outcome: &Outcome,
        backend: &mut dyn Backend,
    ) {
        let rings = &mut device.state.rings;
        for &ring in &outcome.stopped {
            let position = backend.stop_ring(self.port(), ring);
            if matches!(request, Request::GetVringBase { .. }) {
                rings[usize::from(ring)].base = position.avail.into();
            }
        }
        for &ring in &outcome.started {
            let base = rings[usize::from(ring)].base as u16;
            backend.set_position(self.port(), ring, RingPosition::split(base));
        }
    }

    fn finish(&mut self, change: Change, backend: &mut dyn Backend) -> Result<(), Ending> {
        let header = change.header;
        backend.reached(Step::Stored, header.code);
        let reply = answer(&header, &change.request, &change.device.state);
        self.consume(&header, change.length, reply.is_some(), backend)?;
        self.device = change.device;
        self.memory = change.memory;
        backend.apply(self.port(), Some((&self.device, &self.memory)));
        backend.reached(Step::Applied, header.code);
        self.reply(&header, reply, backend)
    }

    fn port(&self) -> PortId {
        self.device.state.port
    }
}

/// [`GuestMemory::map`] or [`GuestMemory::adopt`].
type Map = fn(&[MemoryRegion], &[Arc<OwnedFd>], &GuestMemory) -> Result<GuestMemory, MemoryError>;

/// The device's memory, which is `before` itself when nothing of it has changed.
fn map(how: Map, device: &Device, before: &Arc<GuestMemory>) -> Result<Arc<GuestMemory>, Refusal> {
    let memory = how(&device.state.memory, &device.fds.memory, before)?;
    Ok(match memory.is_same_as(before) {
        true => Arc::clone(before),
        false => Arc::new(memory),
    })
}

impl From<ConnectionError> for Ending {
    fn from(error: ConnectionError) -> Self {
        if error == ConnectionError::Closed {
            Self::FrontEndLeft
        } else {
            Self::Trouble(error.to_string())
        }
    }
}
