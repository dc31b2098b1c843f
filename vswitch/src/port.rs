//! A vhost port: the socket of one VM, and the device behind it.

mod backend;
mod link;
mod pause;
mod search;
mod source;

pub use backend::{Backend, Handled, Step};
pub use source::Source;

use crate::memory::{GuestMemory, Prefiller};
use link::{Ending, Link, Progress};
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use pause::Pause;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;
use vhost_transfer::device::SocketMode;
use vhost_transfer::message::AddPort;
use vhost_transfer::{Device, PortId};

/// One vhost port, driven by the control thread. It serves one front end at a time.
///
/// Only the active instance's ports *serve*: they accept, connect and read. Those of a standby
/// *adopt* the devices that the active one has stored.
///
/// The sockets of every port are watched all the time, so that to begin and to end serving costs no
/// system call. mio tells of each change once; a port that cannot look at it keeps it in mind.
#[derive(Debug)]
pub struct VhostPort {
    config: AddPort,
    registry: Registry,
    listener: Option<OwnedFd>,
    link: Option<Link>,
    serving: bool,
    /// Something happened at a socket that this port has not looked at.
    pending: bool,
    pause: Pause,
    prefiller: Prefiller,
}

impl VhostPort {
    /// A port without a device, which does not serve yet. `listener` is the listening socket,
    /// in server mode.
    ///
    /// # Errors
    /// Those of ioctl(2) and epoll_ctl(2), and of dup(2) of the registry's epoll fd; or when the listening
    /// socket is missing.
    pub fn new(
        config: AddPort,
        listener: Option<OwnedFd>,
        registry: &Registry,
    ) -> io::Result<Self> {
        match (&listener, config.mode) {
            (Some(listener), SocketMode::Server) => rustix::io::ioctl_fionbio(listener, true)?,
            (None, SocketMode::Client) => {}
            (None, SocketMode::Server) | (Some(_), SocketMode::Client) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "port {}: a listening socket belongs to server mode",
                        config.name
                    ),
                ));
            }
        }
        let new = Self {
            config,
            registry: registry.try_clone()?,
            listener,
            link: None,
            serving: false,
            pending: true,
            pause: Pause::default(),
            prefiller: Prefiller::default(),
        };
        if let Some(listener) = &new.listener {
            new.watch(listener.as_raw_fd(), Source::Listener, true)?;
        }
        Ok(new)
    }

    /// Its number.
    pub fn id(&self) -> PortId {
        self.config.port
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The device as the lanes know it.
    pub fn device(&self) -> Option<&Device> {
        self.link.as_ref().map(Link::device)
    }

    /// The device's memory.
    pub fn memory(&self) -> Option<&Arc<GuestMemory>> {
        self.link.as_ref().map(Link::memory)
    }

    /// What made this port, and its listening socket in server mode.
    pub fn as_message(&self) -> (AddPort, Option<BorrowedFd<'_>>) {
        (self.config.clone(), self.listener.as_ref().map(AsFd::as_fd))
    }

    /// Sends the newest state of the device to a vault that does not have it.
    pub fn store_again(&self, backend: &mut dyn Backend) {
        if let Some(link) = &self.link {
            backend.store(link.newest());
        }
    }

    /// The revision of which the vault has still to say that it has it.
    pub fn waits_for(&self) -> Option<u64> {
        let link = self.link.as_ref().filter(|link| link.is_waiting())?;
        Some(link.newest().state.revision)
    }

    /// Memory of its guest was taken away, so that the device is of no use any more.
    pub fn has_lost_memory(&self) -> bool {
        self.memory().is_some_and(|memory| memory.is_lost())
    }

    /// Begins to fill the page tables of the guest's memory for pages that came since the device was
    /// adopted or its memory changed, so that the lanes will not have to.
    pub fn prefill(&self) {
        if let Some(memory) = self.memory() {
            self.prefiller.fill(memory);
        }
    }

    /// All page tables are as full as they can be.
    pub fn is_prefilled(&self) -> bool {
        self.prefiller.is_idle()
    }

    /// No message is at hand: every change has been stored, consumed and answered.
    pub fn is_settled(&self) -> bool {
        self.link.as_ref().is_none_or(|link| !link.is_waiting())
    }

    /// Begins or ends to accept, connect and read. The message at hand is finished in any case.
    /// What came in the meantime is read now.
    pub fn serve(&mut self, serving: bool, backend: &mut dyn Backend) {
        if self.serving == serving {
            return;
        }
        self.serving = serving;
        self.pending |= self.pause.until().is_some();
        self.pause = Pause::default();
        if let Some(link) = self.link.as_mut().filter(|_| serving) {
            link.served_by_others();
        }
        if serving && self.has_work(backend) {
            self.progress(backend);
        }
    }

    /// Whether there is anything to be done, as far as is known without a system call: something
    /// happened, the instance before left something unfinished, or a front end must be connected to.
    fn has_work(&self, backend: &mut dyn Backend) -> bool {
        let unfinished = match &self.link {
            Some(link) => link.is_unfinished(backend),
            None => self.listener.is_none(),
        };
        self.pending || unfinished
    }

    /// For a standby: forgets what happened at its sockets if that was looked at by the active one.
    pub fn forget_old_events(&mut self) {
        if self.pending && !self.serving {
            self.pending = self.is_ready();
        }
    }

    /// Whether a socket has anything to look at. If that cannot be known, it has.
    fn is_ready(&self) -> bool {
        let listener = self.listener.as_ref().map(|listener| listener.as_fd());
        let connection = self.link.as_ref().map(Link::socket);
        let both = listener.into_iter().chain(connection);
        let flags = PollFlags::IN | PollFlags::RDHUP;
        let mut both: Vec<_> = both.map(|fd| PollFd::from_borrowed_fd(fd, flags)).collect();
        poll(&mut both, Some(&Timespec::default())) != Ok(0)
    }

    /// One of its sockets is ready. Both are looked at in any case: a front end that has left is
    /// noticed before another one is turned away.
    pub fn on_event(&mut self, backend: &mut dyn Backend) {
        self.progress(backend);
    }

    /// The vault has this revision of the device.
    pub fn on_stored(&mut self, revision: u64, backend: &mut dyn Backend) {
        let stored = self
            .link
            .as_mut()
            .map(|link| link.on_stored(revision, backend));
        match stored {
            Some(Ok(())) => self.progress(backend),
            Some(Err(ending)) => self.end(ending, backend),
            None => {}
        }
    }

    /// When [`Self::on_tick`] wants to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pause.until().filter(|_| self.serving)
    }

    /// The time is `now`.
    pub fn on_tick(&mut self, now: Instant, backend: &mut dyn Backend) {
        if self.pause.is_over(now) {
            self.progress(backend);
        }
    }

    /// For a standby: the device is now this one. Its memory is mapped, as far as it is not yet.
    ///
    /// # Errors
    /// Why it cannot be served; the port is then as before.
    pub fn adopt(&mut self, device: Device, backend: &mut dyn Backend) -> Result<(), String> {
        if self.serving {
            return Err(format!(
                "port {}: it serves; only a standby adopts",
                self.config.name
            ));
        }
        let before = self.link.as_ref().map(Link::memory);
        let link = Link::adopt(device, before).map_err(|refusal| {
            format!(
                "port {}: the device cannot be adopted: {refusal}",
                self.config.name
            )
        })?;
        let is_new = before.is_none_or(|before| !Arc::ptr_eq(before, link.memory()));
        self.watch_instead(&link).map_err(|error| {
            format!(
                "port {}: its connection cannot be watched: {error}",
                self.config.name
            )
        })?;
        backend.apply(self.id(), Some((link.device(), link.memory())));
        self.link = Some(link);
        if is_new {
            self.prefill();
        }
        Ok(())
    }

    /// For a standby: the device's connection is closed.
    pub fn drop_device(&mut self, backend: &mut dyn Backend) {
        if self.link.is_some() {
            backend.apply(self.id(), None);
            self.forget_link();
        }
    }

    /// Closes the connection, so that the front end notices at once, and tells why.
    pub fn close(&mut self, reason: &str, backend: &mut dyn Backend) {
        if self.link.is_some() {
            self.end(Ending::Trouble(reason.to_owned()), backend);
        }
    }

    /// Goes on with all that can be gone on with.
    fn progress(&mut self, backend: &mut dyn Backend) {
        self.pending = !self.serving;
        if self.pending {
            return;
        }
        match self.link.as_mut().map(|link| link.read(backend)) {
            Some(Ok(Progress::More)) => self.pause = self.pause.one_round(),
            Some(Ok(Progress::Done)) => {}
            Some(Err(ending)) => return self.end(ending, backend),
            None => {}
        }
        if self.pause.until().is_none() && self.is_settled() {
            self.look_for_front_end(backend);
        }
    }

    /// The lanes let go first. The front end is told last, by hang-up, although the vault and the
    /// standby may still hold duplicates of the socket: whoever dies on the way, the reason is told.
    fn end(&mut self, ending: Ending, backend: &mut dyn Backend) {
        let Some(link) = self.link.take() else { return };
        self.pause = match &ending {
            Ending::FrontEndLeft => Pause::default(),
            Ending::Trouble(_) => self.pause.longer(),
        };
        let trouble = match ending {
            Ending::FrontEndLeft => None,
            Ending::Trouble(what) => Some(format!("port {}: {what}", self.config.name)),
        };
        backend.apply(self.id(), None);
        backend.gone(self.id(), trouble);
        // Whoever has not heard of it yet has an old copy.
        backend.note(self.id(), Handled::all(link.newest().state.revision + 1));
        let _ = shutdown(link.socket(), Shutdown::Both); // fails only when the front end has left
        self.forget(&link);
        self.pending = !self.serving;
        if self.pause.until().is_none() && self.serving {
            self.look_for_front_end(backend);
        }
    }

    /// Events of its socket are of no interest any more. Others may hold the same socket, so that to
    /// close it is not enough.
    fn forget(&self, link: &Link) {
        // It is registered; nothing else can fail here.
        let _ = self.watch(link.socket().as_raw_fd(), Source::Connection, false);
    }

    /// Watches the socket of `new` and no longer that of the link before, if these are two fds.
    fn watch_instead(&mut self, new: &Link) -> io::Result<()> {
        let fd = new.socket().as_raw_fd();
        let before = self.link.as_ref().map(|link| link.socket().as_raw_fd());
        if before != Some(fd) {
            self.watch(fd, Source::Connection, true)?;
            self.forget_link();
        }
        Ok(())
    }

    fn forget_link(&mut self) {
        if let Some(link) = self.link.take() {
            self.forget(&link);
        }
    }

    fn watch(&self, fd: RawFd, source: Source, on: bool) -> io::Result<()> {
        let mut fd = SourceFd(&fd);
        match on {
            true => self
                .registry
                .register(&mut fd, source.token(self.id()), Interest::READABLE),
            false => self.registry.deregister(&mut fd),
        }
    }
}

impl Drop for VhostPort {
    fn drop(&mut self) {
        self.forget_link();
        if let Some(listener) = &self.listener {
            let _ = self.watch(listener.as_raw_fd(), Source::Listener, false); // it is registered
        }
    }
}
