//! The thread that owns the vhost-user sockets: it connects, shakes hands, notices hang-ups and connects
//! again, so that the polling thread makes no system call for any of it.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::clock;
use super::connection::Connection;
use super::error::{Error, Result, system};
use super::guest::Device;

/// How long a device may take to stop its rings when it is removed.
const STOP_LIMIT: Duration = Duration::from_secs(2);

enum Command {
    Attach(Arc<Device>),
    Detach(Arc<Device>, Sender<Result<[u32; 2]>>),
    Quit,
}

/// The connector's handle. Dropping it closes every connection.
#[derive(Debug)]
pub(crate) struct Connector {
    commands: Sender<Command>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Connector {
    /// Starts the thread, with the affinity of the calling one.
    pub(crate) fn start() -> Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags).map_err(system("create an eventfd"))?;
        let wake = Arc::new(wake);
        let (commands, receiver) = channel();
        let mut worker = Worker {
            commands: receiver,
            wake: wake.clone(),
            connections: vec![],
        };
        let thread = thread::Builder::new()
            .name("emulator-connector".into())
            .spawn(move || while worker.turn() {})
            .map_err(system("start the connector"))?;
        Ok(Self {
            commands,
            wake,
            thread: Some(thread),
        })
    }

    /// Connects a device, and keeps it connected if it wants that.
    pub(crate) fn attach(&self, device: Arc<Device>) -> Result<()> {
        self.send(Command::Attach(device))
    }

    /// Stops a device's rings, closes its connection, and returns where the rings stood.
    pub(crate) fn detach(&self, device: Arc<Device>) -> Result<[u32; 2]> {
        let (reply, stopped) = channel();
        self.send(Command::Detach(device, reply))?;
        stopped.recv().map_err(|_| Error::InstrumentGone)?
    }

    fn send(&self, command: Command) -> Result<()> {
        self.commands
            .send(command)
            .map_err(|_| Error::InstrumentGone)?;
        self.wake.write(1).map_err(system("wake the connector"))?;
        Ok(())
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let _ = self.send(Command::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    commands: Receiver<Command>,
    wake: Arc<EventFd>,
    connections: Vec<Connection>,
}

impl Worker {
    /// Waits for something to do and does it. Returns false at the end.
    fn turn(&mut self) -> bool {
        self.wait();
        let _ = self.wake.read();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Attach(device) => self.connections.push(Connection::new(device)),
                Command::Detach(device, reply) => {
                    let _ = reply.send(self.detach(&device));
                }
                Command::Quit => return false,
            }
        }
        let now = clock::now();
        self.connections
            .iter_mut()
            .for_each(|connection| connection.advance(now));
        true
    }

    fn wait(&self) {
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.connections.iter().filter_map(Connection::poll_fd));
        let trying = self.connections.iter().any(Connection::must_try);
        let timeout = if trying {
            PollTimeout::from(1u8)
        } else {
            PollTimeout::NONE
        };
        // An interrupted wait is a turn with nothing to do.
        let _ = poll(&mut fds, timeout);
    }

    fn detach(&mut self, device: &Arc<Device>) -> Result<[u32; 2]> {
        let position = self.connections.iter().position(|one| one.is_of(device));
        let position = position.ok_or(Error::Plan("the device is not attached".into()))?;
        self.connections.swap_remove(position).stop(STOP_LIMIT)
    }
}
