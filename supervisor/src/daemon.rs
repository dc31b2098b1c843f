//! Turns readiness into events and actions into system calls.
//!
//! One thread, one loop: it waits for signals, instances, the control socket and timers
//! ([`event_loop`]), tells the policy what happened, and does what the policy wants ([`act`]).

mod act;
mod adopt;
mod console;
mod core_file;
mod decisions;
mod error;
mod event_log;
mod event_loop;
mod fate;
mod hear;
mod history;
mod hooks;
mod listener;
mod notes;
mod observe;
mod outcome;
mod phases;
mod ports;
mod process;
mod quarantine;
mod report;
mod requests;
mod roster;
mod seclusion;
mod service;
mod signals;
mod start_times;
mod tell;
mod timers;
mod uplink_move;
mod uplinks;
mod vault;
mod watch;

pub use error::DaemonError;

use crate::config::Port;
use crate::control::protocol::EventKind;
use crate::control::{ConnId, ControlServer, RuntimeDir};
use crate::memory_files::MemoryFiles;
use crate::pci::Sysfs;
use crate::policy::{Event, Limits, Request, State, Timer};
use crate::{Config, ExitStatus, check};
use act::side;
use adopt::{Adopted, Patience};
use event_log::EventLog;
use fate::Fates;
use history::History;
use hooks::Hooks;
use mio::{Poll, Token};
use nix::sys::mman::{MlockAllFlags, mlockall};
use observe::{Lives, Moving};
use ports::Ports;
use process::Process;
use service::Service;
use signals::Signals;
use std::collections::{BTreeMap, VecDeque};
use steering::Steering;
use timers::Timers;
use uplink_move::UplinkPlace;
use uplinks::Uplinks;
use vault::{Entry, Vault};
use vhost_transfer::device::SocketMode;
use vhost_transfer::lifeline::LifelineListener;
use vhost_transfer::on_time::{self, Rank, Slices};
use vhost_transfer::{InstanceId, Ledger, PortId};
use watch::Watch;

/// Is the supervisor until it is told to stop: starts both instances, keeps the standby warm, and
/// serves the control socket.
///
/// # Errors
/// [`DaemonError`], before anything is started.
pub fn run(config: Config) -> Result<ExitStatus, DaemonError> {
    let mut daemon = Daemon::new(config)?;
    if let Err(error) = daemon.run() {
        // Traffic goes on without a supervisor: dropping the daemon would kill the instances.
        std::mem::forget(daemon);
        return Err(error);
    }
    Ok(daemon.close())
}

/// Everything that the daemon holds. Fields are dropped in this order.
#[derive(Debug)]
struct Daemon {
    config: Config,
    policy: State,
    /// Until the policy has said that everything is over.
    running: bool,
    /// How the supervisor itself ends.
    ending: ExitStatus,
    /// What happened while something else was done.
    events: VecDeque<Event>,
    processes: [Option<Process>; 2],
    /// The device update that is being told to the policy.
    incoming: Option<(PortId, Entry)>,
    vault: Vault,
    ports: Ports,
    memory: MemoryFiles,
    ledger: Ledger,
    uplinks: Uplinks,
    steering: Box<dyn Steering>,
    uplink_place: UplinkPlace,
    /// What the NIC had delivered to each instance before the last handover to it steered.
    delivered_before: [Option<u64>; 2],
    timers: Timers<Due>,
    last_request: Request,
    /// Who waits for the outcome of a promote.
    waiting: BTreeMap<Request, ConnId>,
    moving: Option<Moving>,
    lives: Lives,
    history: History,
    event_log: EventLog,
    fates: Fates,
    hooks: Hooks,
    watch: Watch,
    service: Service,
    signals: Signals,
    control: ControlServer,
    poll: Poll,
    /// Instances that lose this supervisor will find the next one there.
    _rejoin: LifelineListener,
    /// The last to go: who comes next finds nothing of this one.
    runtime: RuntimeDir,
}

/// What comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Policy(Timer),
    UplinkMove,
    Uplinks,
    Probes,
    Watch,
    Watchdog,
}

mod tokens {
    use mio::Token;
    use vhost_transfer::InstanceId;

    pub(super) const STOP: Token = Token(0);
    pub(super) const RELOAD: Token = Token(1);
    pub(super) const HOOKS: Token = Token(6);
    pub(super) const CONTROL: Token = Token(8);

    pub(super) fn lifeline(id: InstanceId) -> Token {
        Token(2 + id as usize)
    }

    pub(super) fn exit(id: InstanceId) -> Token {
        Token(4 + id as usize)
    }
}

/// A supervisor that must read its code from a busy disk, or wait for its CPU, steers late.
fn be_on_time() {
    if let Err(error) = mlockall(MlockAllFlags::MCL_CURRENT) {
        console::say(format_args!(
            "memory is not locked ({error}), and a busy disk may make a failover slow: give the \
             service LimitMEMLOCK=infinity, or CAP_IPC_LOCK"
        ));
    }
    // Short slices are of use where it may not come first.
    let slices = on_time::wake_at_once(Slices::Waiting);
    if let Err(error) = slices.and(on_time::come_first(None, Rank::Supervisor)) {
        console::say(format_args!(
            "this supervisor waits for its CPU as all others do ({error}), and a busy one may make a \
             failover slow: give the service CAP_SYS_NICE, or LimitRTPRIO=3"
        ));
    }
}

impl Daemon {
    fn new(config: Config) -> Result<Self, DaemonError> {
        let runtime = RuntimeDir::claim(&config.supervisor.runtime_dir)?;
        let rejoin = LifelineListener::bind(&runtime.rejoin_socket()).map_err(DaemonError::Loop)?;
        let orphans = roster::orphans(runtime.path());
        let found = !orphans.is_empty();
        if !found {
            check::require(&config)?;
        }
        let poll = Poll::new().map_err(DaemonError::Loop)?;
        let path = config.control_socket();
        let control = ControlServer::bind(&path, poll.registry(), tokens::CONTROL)
            .map_err(|error| DaemonError::Control { path, error })?;
        let signals = Signals::new(poll.registry()).map_err(DaemonError::Loop)?;
        let hooks = Hooks::new(poll.registry()).map_err(DaemonError::Loop)?;
        let mut uplinks = if found {
            Uplinks::resume(&config, Sysfs::host(), runtime.path())
        } else {
            Uplinks::take(&config, Sysfs::host(), runtime.path())?
        };
        let adopted = adopt::adopt(&rejoin, orphans, Patience::default())?;
        if found && adopted.is_empty() {
            check::require(&config)?;
            uplinks = Uplinks::take(&config, Sysfs::host(), runtime.path())?;
        }
        adopt::require_same_lanes(&adopted, &config)?;
        let ledger = ledger_of(&adopted)?;
        let memory = MemoryFiles::open(&config, !adopted.is_empty())?;
        let steering = config.steering.open()?;
        be_on_time();
        let mut daemon = Self {
            policy: match config.vswitch.standby {
                true => State::new(limits(&config)),
                false => State::alone(limits(&config)),
            },
            running: true,
            ending: ExitStatus::Done,
            events: VecDeque::new(),
            processes: [None, None],
            incoming: None,
            vault: Vault::default(),
            ports: Ports::default(),
            memory,
            ledger,
            uplinks,
            steering,
            uplink_place: UplinkPlace::default(),
            delivered_before: [None; 2],
            timers: Timers::default(),
            last_request: 0,
            waiting: BTreeMap::new(),
            moving: None,
            lives: Lives::default(),
            history: History::default(),
            event_log: EventLog::default(),
            fates: Fates::default(),
            hooks,
            watch: Watch::default(),
            service: Service::default(),
            signals,
            control,
            poll,
            config,
            _rejoin: rejoin,
            runtime,
        };
        let serves = !adopted.is_empty();
        if let Err(error) = daemon.take_over(adopted) {
            // As in `run`.
            std::mem::forget(daemon);
            return Err(DaemonError::Loop(error));
        }
        daemon.decide_as_before(serves);
        daemon.add_configured_ports(serves)?;
        Ok(daemon)
    }

    /// A port that cannot be had is no reason to give up a pair that serves.
    fn add_configured_ports(&mut self, serves: bool) -> Result<(), DaemonError> {
        for index in 0..self.config.ports.len() {
            match self.add_configured_port(index) {
                Err(error) if serves => console::say(format_args!("{error}")),
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// Unless there is one of this name, from a supervisor before this one.
    fn add_configured_port(&mut self, index: usize) -> Result<(), DaemonError> {
        let port = self.config.ports[index].clone();
        if let Some(running) = self
            .ports
            .find(&port.name)
            .and_then(|id| self.ports.get(id))
        {
            if running.port != port {
                let text = differs(&running.port, &port);
                self.tell_of_port(EventKind::Port, &port.name, &text);
            }
            return Ok(());
        }
        let id = self.ports.add(port).map_err(|reason| DaemonError::Port {
            place: self.config.place(&format!("port[{index}].socket")),
            reason,
        })?;
        self.events.push_back(Event::PortAdded(id));
        Ok(())
    }

    /// Leaves nothing behind.
    fn close(mut self) -> ExitStatus {
        self.finish_hooks();
        if let Err(error) = self.steering.close() {
            console::say(format_args!("steering could not be given back: {error}"));
        }
        self.uplinks.give_back();
        // When all was given up, what is in quarantine may be why.
        if self.ending == ExitStatus::Done {
            decisions::forget(self.runtime.path());
        }
        self.ending
    }

    fn process(&mut self, id: InstanceId) -> Option<&mut Process> {
        self.processes[id as usize].as_mut()
    }
}

/// That of the pair, if there is one.
fn ledger_of(adopted: &[Adopted]) -> Result<Ledger, DaemonError> {
    let Some(instance) = adopted.first() else {
        return Ok(Ledger::create()?);
    };
    let memory = instance.told.ledger.fd().try_clone_to_owned();
    Ok(Ledger::open(memory.map_err(DaemonError::Loop)?)?)
}

/// What an adopted port is, what the configuration wants, and what to do.
fn differs(running: &Port, wanted: &Port) -> String {
    let [running, wanted] = [running, wanted].map(|port| {
        let mode = SocketMode::from(port.mode);
        format!("{} ({mode:?})", port.socket.display())
    });
    format!(
        "runs with socket {running}, the configuration says {wanted}: `vswsup port del`, then \
         `vswsup reload`"
    )
}

fn limits(config: &Config) -> Limits {
    let (timeouts, failover) = (&config.timeouts, &config.failover);
    Limits {
        start: timeouts.start,
        mapped: timeouts.mapped,
        prepare: timeouts.prepare,
        quiesce: timeouts.quiesce,
        release: timeouts.release,
        restart_first: failover.restart_first,
        restart_last: failover.restart_last,
        restart_limit: failover.restart_limit,
        restart_calm: failover.restart_calm,
        poison: failover.poison_window,
        ..Limits::default()
    }
}

/// Whose lifeline or end an event of this token is about.
fn instance_of(token: Token, of: fn(InstanceId) -> Token) -> Option<InstanceId> {
    InstanceId::BOTH.into_iter().find(|&id| of(id) == token)
}
