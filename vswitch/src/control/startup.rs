//! From an empty process to a warm instance.

use super::instance::tokens;
use crate::dpdk::{
    DpdkError, Eal, EalConfig, LogLevel, Memory, Mempool, MempoolConfig, Uplink, UplinkConfig,
};
use crate::lane::{LaneError, LaneEvent, LaneSet, Shared, SharedParts};
use crate::program::say;
use crate::switch::UplinkPort;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MlockAllFlags, mlockall};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{LAYOUT_VERSION, LedgerError};
use vhost_transfer::lifeline::{LifelineError, Received};
use vhost_transfer::message::{FromInstance, Hello, Phase, Setup, ToInstance, Warm};
use vhost_transfer::{InstanceId, Ledger, Lifeline, MAX_LANES};

/// Room for a burst of every kind on the way, for the uplink's receive ring, and for what the
/// mempool's caches keep.
const MBUFS: u32 = 16383;
const DESCRIPTORS: u16 = 4096;
/// What a packet of the longest kind needs in one buffer.
const DATA_ROOM: u16 = 2048 + 128;

/// Why an instance could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The supervisor is gone, or is not to be trusted.
    #[error(transparent)]
    Lifeline(#[from] LifelineError),
    /// The first message was no Setup with a ledger.
    #[error("the supervisor began with {0} instead of a setup with the ledger")]
    NoSetup(&'static str),
    /// The ledger cannot be shared.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// DPDK says no.
    #[error(transparent)]
    Dpdk(#[from] DpdkError),
    /// The kernel says no.
    #[error("start: {0}")]
    Io(#[from] std::io::Error),
    /// The lanes could not be started.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// Of the configuration.
    #[error("{0} lanes: an instance has 1 to {MAX_LANES}")]
    Lanes(usize),
    /// The device gave no queue.
    #[error("the uplink {0} has no queue pair")]
    NoQueue(String),
}

/// All that an instance is made of.
pub(super) struct Started {
    pub(super) lifeline: Lifeline,
    pub(super) poll: mio::Poll,
    pub(super) id: InstanceId,
    pub(super) lanes: LaneSet,
    pub(super) events: Receiver<LaneEvent>,
    pub(super) rejoin_at: Option<String>,
    /// Keeps the device open; its queues are with the lanes.
    pub(super) _uplink: Option<Uplink>,
    /// The last to go.
    pub(super) _eal: Eal,
}

impl Started {
    /// Says hello, waits for the setup, and starts everything.
    pub(super) fn by(lifeline: OwnedFd) -> Result<Self, StartupError> {
        let mut lifeline = Lifeline::from_fd(lifeline);
        lifeline.send(&FromInstance::Hello(hello()), &[])?;
        let (setup, ledger) = await_setup(&mut lifeline)?;
        match Self::start(&mut lifeline, setup, ledger) {
            Ok(parts) => Ok(parts.with(lifeline)),
            Err(error) => {
                super::instance::say_fatal(&mut lifeline, &error);
                Err(error)
            }
        }
    }

    fn start(
        lifeline: &mut Lifeline,
        setup: Setup,
        ledger: OwnedFd,
    ) -> Result<Parts, StartupError> {
        let mut clock = PhaseClock::new();
        check_lanes(&setup)?;
        let ledger = Arc::new(Ledger::open(ledger)?);
        let poll = mio::Poll::new()?;
        let eal = Eal::init(&eal_config(&setup))?;
        clock.lap("eal");
        let uplink = setup
            .uplink
            .as_deref()
            .map(|devargs| open_uplink(&eal, devargs, &mut clock))
            .transpose()?;
        let (uplink, port) = uplink.unzip();
        let (tell, events) = channel();
        let shared = Shared::new(SharedParts {
            instance: setup.instance,
            ledger,
            uplink: port.map(Arc::new),
            poll: setup.poll,
            aging: setup.mac_aging_s,
            drain: Duration::from_micros(setup.drain_us.into()),
            lanes: setup.lane_cpus.len() as u16,
            events: tell,
            waker: mio::Waker::new(poll.registry(), tokens::LANES)?,
        });
        let lanes = LaneSet::start(&eal, shared, &setup.lane_cpus)?;
        clock.lap("lanes");
        lock_memory();
        clock.lap("memory lock");
        let uplink_mac = uplink.as_ref().map(Uplink::mac).transpose()?;
        lifeline.send(
            &FromInstance::Warm(Warm {
                uplink_mac,
                phases: clock.phases,
            }),
            &[],
        )?;
        Ok(Parts {
            poll,
            id: setup.instance,
            lanes,
            events,
            rejoin_at: setup.rejoin_at,
            uplink,
            eal,
        })
    }
}

/// [`Started`] without the lifeline, which is needed for errors meanwhile.
struct Parts {
    poll: mio::Poll,
    id: InstanceId,
    lanes: LaneSet,
    events: Receiver<LaneEvent>,
    rejoin_at: Option<String>,
    uplink: Option<Uplink>,
    eal: Eal,
}

impl Parts {
    fn with(self, lifeline: Lifeline) -> Started {
        let Self {
            poll,
            id,
            lanes,
            events,
            rejoin_at,
            uplink,
            eal,
        } = self;
        Started {
            lifeline,
            poll,
            id,
            lanes,
            events,
            rejoin_at,
            _uplink: uplink,
            _eal: eal,
        }
    }
}

pub(super) fn hello() -> Hello {
    Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dpdk: crate::dpdk::version(),
        ledger_layout: LAYOUT_VERSION,
    }
}

fn await_setup(lifeline: &mut Lifeline) -> Result<(Setup, OwnedFd), StartupError> {
    loop {
        let mut readable = [PollFd::new(lifeline.as_fd(), PollFlags::POLLIN)];
        poll(&mut readable, PollTimeout::NONE).map_err(std::io::Error::from)?;
        if let Some(Received { message, fds }) = lifeline.receive::<ToInstance>()? {
            let ToInstance::Setup(setup) = message else {
                return Err(StartupError::NoSetup("another message"));
            };
            let ledger = fds
                .into_iter()
                .next()
                .ok_or(StartupError::NoSetup("a setup without fd"))?;
            return Ok((setup, ledger));
        }
    }
}

fn check_lanes(setup: &Setup) -> Result<(), StartupError> {
    match setup.lane_cpus.len() {
        count if count == 0 || count > usize::from(MAX_LANES) => Err(StartupError::Lanes(count)),
        _ => Ok(()),
    }
}

fn eal_config(setup: &Setup) -> EalConfig {
    let mib = setup.memory_mib;
    EalConfig {
        file_prefix: setup.file_prefix.clone(),
        main_cpu: usize::from(setup.lane_cpus[0]),
        memory: if setup.hugepages {
            Memory::HugePages { mib }
        } else {
            Memory::Ordinary { mib }
        },
        pci_allow: setup
            .uplink
            .iter()
            .filter(|devargs| is_pci(devargs))
            .cloned()
            .collect(),
        log_level: LogLevel::Warning,
    }
}

/// A PCI address begins with a number, the name of a virtual device does not.
fn is_pci(devargs: &str) -> bool {
    devargs.starts_with(|c: char| c.is_ascii_hexdigit()) && devargs.contains(':')
}

/// Keeps what is mapped so far, before any guest's memory is, in memory: its code above all. A
/// lane that must read its code from a busy disk stands still for so long that it is taken to hang.
fn lock_memory() {
    if let Err(error) = mlockall(MlockAllFlags::MCL_CURRENT) {
        say(format_args!(
            "vswitch: memory is not locked ({error}), and a busy disk may stop lanes: give the \
             service LimitMEMLOCK=infinity, or CAP_IPC_LOCK"
        ));
    }
}

fn open_uplink(
    eal: &Eal,
    devargs: &str,
    clock: &mut PhaseClock,
) -> Result<(Uplink, UplinkPort), StartupError> {
    let pool_config = MempoolConfig {
        mbufs: MBUFS,
        data_room: DATA_ROOM,
        ..MempoolConfig::default()
    };
    let pool = Mempool::new(eal, "uplink", &pool_config)?;
    clock.lap("mempool");
    let config = UplinkConfig {
        rx_descriptors: DESCRIPTORS,
        tx_descriptors: DESCRIPTORS,
        ..UplinkConfig::default()
    };
    let mut uplink = Uplink::open(eal, devargs, &pool, &config)?;
    clock.lap("port configure");
    receive_all(&mut uplink);
    let queues = uplink.start()?;
    clock.lap("port start");
    let pair = queues
        .rx
        .into_iter()
        .next()
        .zip(queues.tx.into_iter().next());
    let (receive, transmit) = pair.ok_or_else(|| StartupError::NoQueue(devargs.to_owned()))?;
    Ok((uplink, UplinkPort::new(receive, transmit, pool)))
}

/// A VF may be refused that. It is given what is for its own address then, and for everybody.
fn receive_all(uplink: &mut Uplink) {
    if let Err(error) = uplink.promiscuous_on() {
        say(format_args!(
            "vswitch: {error}; the uplink receives what the NIC is told to give it, and no more"
        ));
    }
}

/// Times the phases of the start.
struct PhaseClock {
    last: Instant,
    phases: Vec<Phase>,
}

impl PhaseClock {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            phases: Vec::new(),
        }
    }

    fn lap(&mut self, name: &str) {
        let now = Instant::now();
        let us = (now - self.last).as_micros() as u64;
        self.phases.push(Phase {
            name: name.to_owned(),
            us,
        });
        self.last = now;
    }
}
