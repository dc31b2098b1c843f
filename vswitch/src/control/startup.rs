//! From an empty process to a warm instance.

use super::instance::tokens;
use super::locked;
use super::phases::PhaseClock;
use super::uplink::UplinkDevice;
use crate::dpdk::{DpdkError, Eal, EalConfig, LogLevel, Memory, Pci};
use crate::lane::{LaneError, LaneEvent, LaneSet, Shared, SharedParts};
use crate::program::say;
use crate::switch::Ears;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vhost_transfer::ledger::{LAYOUT_VERSION, LedgerError};
use vhost_transfer::lifeline::{LifelineError, Received};
use vhost_transfer::message::{FromInstance, Hello, Setup, ToInstance, Warm};
use vhost_transfer::on_time::{self, Rank, Slices};
use vhost_transfer::{Ledger, Lifeline, MAX_LANES};

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
}

/// All that an instance is made of.
pub(super) struct Started {
    pub(super) lifeline: Lifeline,
    pub(super) poll: mio::Poll,
    pub(super) setup: Setup,
    pub(super) lanes: LaneSet,
    pub(super) events: Receiver<LaneEvent>,
    /// Its queues are with the lanes.
    pub(super) uplink: Option<UplinkDevice>,
    /// The last to go.
    pub(super) _eal: Eal,
}

impl Started {
    /// Says hello, waits for the setup, and starts everything.
    pub(super) fn by(lifeline: OwnedFd) -> Result<Self, StartupError> {
        let mut lifeline = Lifeline::from_fd(lifeline);
        lifeline.send(&FromInstance::Hello(hello()), &[])?;
        let (setup, fds) = await_setup(&mut lifeline)?;
        match Parts::start(&mut lifeline, setup, fds) {
            Ok(parts) => Ok(parts.with(lifeline)),
            Err(error) => {
                super::instance::say_fatal(&mut lifeline, &error);
                Err(error)
            }
        }
    }
}

/// [`Started`] without the lifeline, which is needed for errors meanwhile.
struct Parts {
    poll: mio::Poll,
    setup: Setup,
    lanes: LaneSet,
    events: Receiver<LaneEvent>,
    uplink: Option<UplinkDevice>,
    eal: Eal,
}

impl Parts {
    fn start(
        lifeline: &mut Lifeline,
        setup: Setup,
        mut fds: Vec<OwnedFd>,
    ) -> Result<Self, StartupError> {
        let mut clock = PhaseClock::start();
        check_lanes(&setup)?;
        be_on_time();
        let files = fds.split_off(1);
        let ledger = fds.remove(0);
        let ledger = Arc::new(Ledger::open(ledger)?);
        let poll = mio::Poll::new()?;
        let eal = start_dpdk(&setup, files, &mut clock)?;
        let uplink = setup
            .uplink
            .as_deref()
            .map(|devargs| open_uplink(&eal, devargs, &setup, &ledger, &mut clock))
            .transpose()?;
        let (tell, events) = channel();
        let shared = Shared::new(SharedParts {
            instance: setup.instance,
            ledger,
            uplink: uplink.as_ref().map(|uplink| Arc::clone(&uplink.port)),
            poll: setup.poll,
            aging: setup.mac_aging_s,
            drain: Duration::from_micros(setup.drain_us.into()),
            lanes: setup.lane_cpus.len() as u16,
            events: tell,
            waker: mio::Waker::new(poll.registry(), tokens::LANES)?,
        });
        let lanes = LaneSet::start(&eal, shared, &setup.lane_cpus)?;
        clock.lap("lanes");
        locked::lock();
        clock.lap("memory lock");
        let uplink_mac = uplink.as_ref().map(UplinkDevice::mac).transpose()?;
        let warm = Warm {
            uplink_mac: uplink_mac.flatten(),
            phases: clock.phases(),
        };
        lifeline.send(&FromInstance::Warm(warm), &[])?;
        Ok(Self {
            poll,
            setup,
            lanes,
            events,
            uplink,
            eal,
        })
    }

    fn with(self, lifeline: Lifeline) -> Started {
        let Self {
            poll,
            setup,
            lanes,
            events,
            uplink,
            eal,
        } = self;
        Started {
            lifeline,
            poll,
            setup,
            lanes,
            events,
            uplink,
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

/// The setup, with the ledger's fd and those of memory files.
fn await_setup(lifeline: &mut Lifeline) -> Result<(Setup, Vec<OwnedFd>), StartupError> {
    loop {
        let mut readable = [PollFd::new(lifeline.as_fd(), PollFlags::POLLIN)];
        poll(&mut readable, PollTimeout::NONE).map_err(std::io::Error::from)?;
        if let Some(Received { message, fds }) = lifeline.receive::<ToInstance>()? {
            let ToInstance::Setup(setup) = message else {
                return Err(StartupError::NoSetup("another message"));
            };
            let announced = 1 + usize::from(setup.memory_files.unwrap_or(0));
            return match fds.len() {
                count if count == announced => Ok((setup, fds)),
                _ => Err(StartupError::NoSetup("a setup with other fds than it says")),
            };
        }
    }
}

fn check_lanes(setup: &Setup) -> Result<(), StartupError> {
    match setup.lane_cpus.len() {
        count if count == 0 || count > usize::from(MAX_LANES) => Err(StartupError::Lanes(count)),
        _ => Ok(()),
    }
}

/// While DPDK starts, which for most of the time is a sleep to calibrate a clock, memory files are
/// mapped and code is read from the disk.
fn start_dpdk(
    setup: &Setup,
    files: Vec<OwnedFd>,
    clock: &mut PhaseClock,
) -> Result<Eal, StartupError> {
    let config = eal_config(setup, !files.is_empty());
    let eal = std::thread::scope(|threads| {
        threads.spawn(locked::read_code);
        match files.is_empty() {
            true => Eal::init(&config),
            false => Eal::init_on_files(&config, files),
        }
    })?;
    clock.lap("eal");
    Ok(eal)
}

fn eal_config(setup: &Setup, on_files: bool) -> EalConfig {
    let mib = setup.memory_mib;
    EalConfig {
        file_prefix: setup.file_prefix.clone(),
        main_cpu: usize::from(setup.lane_cpus[0]),
        memory: match (on_files, setup.hugepages) {
            (true, _) => Memory::Files,
            (false, true) => Memory::HugePages { mib },
            (false, false) => Memory::Ordinary { mib },
        },
        pci: match setup.uplink.as_ref().filter(|devargs| is_pci(devargs)) {
            None => Pci::Off,
            Some(_) if is_later(setup) => Pci::Later,
            Some(address) => Pci::Now(vec![address.clone()]),
        },
        log_level: LogLevel::Warning,
    }
}

/// A PCI address begins with a number, the name of a virtual device does not.
fn is_pci(devargs: &str) -> bool {
    devargs.starts_with(|c: char| c.is_ascii_hexdigit()) && devargs.contains(':')
}

/// Asks for short slices. Whether its threads may come first after a death is tried now, so that somebody
/// is told while nothing depends on it.
fn be_on_time() {
    let first = on_time::come_first(None, Rank::ControlThread);
    let slices = on_time::wake_at_once(Slices::Waiting);
    if let Err(error) = first.and(slices) {
        say(format_args!(
            "vswitch: it waits for its CPU as all others do, and moves may be slower ({error}); give it \
             CAP_SYS_NICE, or LimitRTPRIO=3"
        ));
    }
}

fn open_uplink(
    eal: &Eal,
    devargs: &str,
    setup: &Setup,
    ledger: &Arc<Ledger>,
    clock: &mut PhaseClock,
) -> Result<UplinkDevice, StartupError> {
    let later = is_later(setup);
    let ears = Ears::new(Arc::clone(ledger), setup.instance);
    let mut uplink = UplinkDevice::closed(eal, devargs, ears, later, clock)?;
    if !later {
        uplink.open(clock)?;
    }
    Ok(uplink)
}

fn is_later(setup: &Setup) -> bool {
    setup.uplink_later.unwrap_or(false)
}
