//! A port and the control loop around it.

use super::backend::Recorder;
use super::front_end::{Answer, FrontEnd};
use super::message::Message;
use mio::{Events, Poll};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use vhost_transfer::device::SocketMode;
use vhost_transfer::message::AddPort;
use vhost_transfer::{Device, PortId};
use vswitch::port::{Source, VhostPort};

pub(crate) fn port_id() -> PortId {
    PortId::new(7).expect("in range")
}

/// A listening socket of no name in the file system.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    address: SocketAddr,
}

impl Listener {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "vswsup-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Relaxed)
        );
        let address = SocketAddr::from_abstract_name(name).expect("name");
        let socket = UnixListener::bind_addr(&address).expect("bind");
        Self { socket, address }
    }

    pub(crate) fn connect(&self) -> FrontEnd {
        FrontEnd::new(UnixStream::connect_addr(&self.address).expect("connect"))
    }

    fn fd(&self) -> OwnedFd {
        self.socket.try_clone().expect("dup").into()
    }
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) port: VhostPort,
    pub(crate) backend: Recorder,
    poll: Poll,
    /// Acknowledge what is stored.
    pub(crate) vault_answers: bool,
    acknowledged: usize,
}

impl Host {
    pub(crate) fn server(listener: &Listener) -> Self {
        Self::new(SocketMode::Server, String::new(), Some(listener.fd()))
    }

    pub(crate) fn client(path: &str) -> Self {
        Self::new(SocketMode::Client, path.to_owned(), None)
    }

    fn new(mode: SocketMode, path: String, listener: Option<OwnedFd>) -> Self {
        let poll = Poll::new().expect("poll");
        let config = AddPort {
            port: port_id(),
            name: "vm1".into(),
            mode,
            path,
        };
        let port = VhostPort::new(config, listener, poll.registry()).expect("port");
        let backend = Recorder::default();
        Self {
            port,
            backend,
            poll,
            vault_answers: true,
            acknowledged: 0,
        }
    }

    /// A host that serves, and a front end whose connection is accepted and stored.
    pub(crate) fn with_front_end() -> (Self, FrontEnd, Listener) {
        let listener = Listener::new();
        let mut host = Self::server(&listener);
        host.serve(true);
        let front_end = listener.connect();
        host.run();
        assert!(host.port.device().is_some(), "{:?}", host.backend.calls);
        (host, front_end, listener)
    }

    pub(crate) fn serve(&mut self, on: bool) {
        self.port.serve(on, &mut self.backend);
    }

    pub(crate) fn adopt(&mut self, device: Device) -> Result<(), String> {
        self.port.adopt(device, &mut self.backend)
    }

    /// Turns the loop until nothing happens any more.
    pub(crate) fn run(&mut self) {
        let mut events = Events::with_capacity(16);
        loop {
            self.poll
                .poll(&mut events, Some(Duration::ZERO))
                .expect("poll");
            for event in &events {
                let (port, _) = Source::of(event.token()).expect("a port's token");
                assert_eq!(port, port_id());
                self.port.on_event(&mut self.backend);
            }
            let now = Instant::now();
            let due = self
                .port
                .next_deadline()
                .is_some_and(|deadline| deadline <= now);
            if due {
                self.port.on_tick(now, &mut self.backend);
            }
            if !self.acknowledge() && events.is_empty() && !due {
                return;
            }
        }
    }

    /// As [`Self::run`], until `done` or too long.
    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + Duration::from_secs(5);
        while !done(self) {
            assert!(Instant::now() < limit, "{:?}", self.backend.calls);
            std::thread::sleep(Duration::from_millis(1));
            self.run();
        }
    }

    fn acknowledge(&mut self) -> bool {
        let next = self.backend.stores.get(self.acknowledged);
        let Some(&revision) = next.filter(|_| self.vault_answers) else {
            return false;
        };
        self.acknowledged += 1;
        self.port.on_stored(revision, &mut self.backend);
        true
    }

    /// Sends one message and gives its answer.
    pub(crate) fn exchange(
        &mut self,
        front_end: &mut FrontEnd,
        message: &Message,
    ) -> Option<Answer> {
        front_end.send(message);
        self.run();
        front_end.answer()
    }

    pub(crate) fn state(&self) -> &vhost_transfer::DeviceState {
        &self.port.device().expect("a device").state
    }
}
