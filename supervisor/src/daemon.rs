//! Turns readiness into events and actions into system calls.
//!
//! One thread, one loop: it waits for signals, instances, the control socket and timers
//! ([`event_loop`]), tells the policy what happened, and does what the policy wants ([`act`]).

mod act;
mod console;
mod error;
mod event_loop;
mod hear;
mod history;
mod listener;
mod observe;
mod outcome;
mod ports;
mod process;
mod report;
mod requests;
mod service;
mod signals;
mod tell;
mod timers;
mod vault;

pub use error::DaemonError;

use crate::control::{ConnId, ControlServer, RuntimeDir};
use crate::policy::{Event, Limits, Request, State, Timer};
use crate::{Config, ExitStatus, check};
use history::History;
use mio::{Poll, Token};
use observe::{Lives, Moving};
use ports::Ports;
use process::Process;
use service::Service;
use signals::Signals;
use std::collections::{BTreeMap, VecDeque};
use steering::Steering;
use timers::Timers;
use vault::{Entry, Vault};
use vhost_transfer::{InstanceId, Ledger, PortId};

/// Is the supervisor until it is told to stop: starts both instances, keeps the standby warm, and
/// serves the control socket.
///
/// # Errors
/// [`DaemonError`], before anything is started.
pub fn run(config: Config) -> Result<ExitStatus, DaemonError> {
    let mut daemon = Daemon::new(config)?;
    daemon.run()?;
    daemon.close();
    Ok(ExitStatus::Done)
}

/// Everything that the daemon holds. Fields are dropped in this order.
#[derive(Debug)]
struct Daemon {
    config: Config,
    policy: State,
    /// Until the policy has said that everything is over.
    running: bool,
    /// What happened while something else was done.
    events: VecDeque<Event>,
    processes: [Option<Process>; 2],
    /// The device update that is being told to the policy.
    incoming: Option<(PortId, Entry)>,
    vault: Vault,
    ports: Ports,
    ledger: Ledger,
    steering: Box<dyn Steering>,
    /// What the NIC had delivered to each instance when it became the standby.
    delivered_before: [Option<u64>; 2],
    timers: Timers<Due>,
    last_request: Request,
    /// Who waits for the outcome of a promote.
    waiting: BTreeMap<Request, ConnId>,
    moving: Option<Moving>,
    lives: Lives,
    history: History,
    service: Service,
    signals: Signals,
    control: ControlServer,
    poll: Poll,
    /// The last to go: who comes next finds nothing of this one.
    _runtime: RuntimeDir,
}

/// What comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Policy(Timer),
    Watchdog,
}

mod tokens {
    use mio::Token;
    use vhost_transfer::InstanceId;

    pub(super) const STOP: Token = Token(0);
    pub(super) const RELOAD: Token = Token(1);
    pub(super) const CONTROL: Token = Token(8);

    pub(super) fn lifeline(id: InstanceId) -> Token {
        Token(2 + id as usize)
    }

    pub(super) fn exit(id: InstanceId) -> Token {
        Token(4 + id as usize)
    }
}

impl Daemon {
    fn new(config: Config) -> Result<Self, DaemonError> {
        let runtime = RuntimeDir::claim(&config.supervisor.runtime_dir)?;
        check::require(&config)?;
        let poll = Poll::new().map_err(DaemonError::Loop)?;
        let path = config.control_socket();
        let control = ControlServer::bind(&path, poll.registry(), tokens::CONTROL)
            .map_err(|error| DaemonError::Control { path, error })?;
        let signals = Signals::new(poll.registry()).map_err(DaemonError::Loop)?;
        let mut daemon = Self {
            policy: State::new(limits(&config)),
            running: true,
            events: VecDeque::new(),
            processes: [None, None],
            incoming: None,
            vault: Vault::default(),
            ports: Ports::default(),
            ledger: Ledger::create()?,
            steering: config.steering.open()?,
            delivered_before: [None; 2],
            timers: Timers::default(),
            last_request: 0,
            waiting: BTreeMap::new(),
            moving: None,
            lives: Lives::default(),
            history: History::default(),
            service: Service::default(),
            signals,
            control,
            poll,
            config,
            _runtime: runtime,
        };
        daemon.add_configured_ports()?;
        Ok(daemon)
    }

    fn add_configured_ports(&mut self) -> Result<(), DaemonError> {
        for (index, port) in self.config.ports.clone().into_iter().enumerate() {
            let key = format!("port[{index}].socket");
            let id = self.ports.add(port).map_err(|reason| DaemonError::Port {
                place: self.config.place(&key),
                reason,
            })?;
            self.events.push_back(Event::PortAdded(id));
        }
        Ok(())
    }

    /// Leaves nothing behind.
    fn close(self) {
        if let Err(error) = self.steering.close() {
            console::say(format_args!("steering could not be given back: {error}"));
        }
    }

    fn process(&mut self, id: InstanceId) -> Option<&mut Process> {
        self.processes[id as usize].as_mut()
    }
}

fn limits(config: &Config) -> Limits {
    let timeouts = &config.timeouts;
    Limits {
        start: timeouts.start,
        mapped: timeouts.mapped,
        prepare: timeouts.prepare,
        quiesce: timeouts.quiesce,
        release: timeouts.release,
        ..Limits::default()
    }
}

/// Whose lifeline or end an event of this token is about.
fn instance_of(token: Token, of: fn(InstanceId) -> Token) -> Option<InstanceId> {
    InstanceId::BOTH.into_iter().find(|&id| of(id) == token)
}
