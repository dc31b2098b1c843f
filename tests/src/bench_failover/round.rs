//! One window of steady traffic in which the active instance dies, or nothing happens.
//!
//! Every window, a quiet one too, begins the same: there is a spare, its page tables are filled, and traffic
//! flows. While the system gets there nothing flows: the start of an instance and
//! the filling of its page tables take their time from the lane's CPU where there is no other, and the
//! faster they are done the shorter the benchmark.

use super::report::Cause;
use crate::bench::stage::Stage;
use crate::bench::toll::{Counts, Toll};
use crate::bench::{Error, Result};
use crate::cores::Cores;
use crate::emulator::{Nanos, Window, now};
use crate::failover::Pair;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::thread;
use std::time::Duration;
use vhost_transfer::ledger::LedgerView;

/// From the start of the flows to that of the window.
const SETTLE: Duration = Duration::from_millis(20);
/// From the start of a window to the death, and from when all is well to the end of the window.
const LEAD: Duration = Duration::from_millis(10);
/// Length of a window at least.
const WINDOW: Nanos = 50_000_000;

/// What all rounds of one system have in common.
pub(super) struct Setting<'a> {
    /// As it is until the first restart.
    pub(super) ledger: LedgerView,
    /// Bytes of the busy guest at least.
    pub(super) memory: usize,
    pub(super) cores: &'a Cores,
}

/// What one window showed.
#[derive(Debug)]
pub(super) struct Round {
    /// The longest gap of any flow, µs.
    pub(super) blackout_us: f64,
    /// How long the instrument itself did not run, at most, µs; 0 below 100 µs.
    pub(super) stall_us: f64,
    /// Length of the window, µs.
    pub(super) length_us: f64,
    /// All frames.
    pub(super) counts: Counts,
    /// vhost-user connections closed.
    pub(super) disconnects: u64,
    /// Some flow has not gone on, or there is no spare.
    pub(super) stuck: bool,
    /// A core was written.
    pub(super) cores: u64,
    /// Guest memory in the page tables of the standby, KiB.
    pub(super) resident_kib: u64,
    /// Why it says nothing, if so.
    pub(super) void: Option<String>,
}

impl Round {
    /// One round, from a system that is whole to one that is whole again.
    pub(super) fn observe(stage: &mut Stage, cause: Cause, setting: &Setting<'_>) -> Result<Self> {
        let pair = wait_until_calm(stage, &[], setting.memory)?;
        let resident_kib = resident(pair.standby);
        let before = Toll::of(stage.running());
        stage.start_flows()?;
        thread::sleep(SETTLE);
        let from = now();
        thread::sleep(LEAD);
        let gone = strike(stage, cause, pair)?;
        let succeeded = wait_for_successor(stage, cause, pair, &gone, setting);
        let goes_on = came(succeeded.and_then(|()| wait_for_flows(stage, now())))?;
        thread::sleep(LEAD);
        let window = Window::new(from, now().max(from + WINDOW));
        thread::sleep(Duration::from_nanos(window.until.saturating_sub(now())) + LEAD);
        stage.running().stop_flows()?;
        let toll = Toll::of(stage.running()).since(&before);
        let calm = came(wait_until_calm(stage, &gone, setting.memory).map(drop))?;
        Ok(Self {
            blackout_us: blackout(stage, window)?,
            stall_us: us(stage.running().stalls().longest(window).length()),
            length_us: us(window.length()),
            counts: toll.total(),
            disconnects: toll.disconnects,
            stuck: !goes_on || !calm,
            cores: setting.cores.take()?,
            resident_kib,
            void: stage.void(window, &toll),
        })
    }
}

/// Lets the first active instance go. It got the devices from their front ends, which fill no page tables;
/// all later ones are filled while they stand by.
pub(super) fn replace_first(stage: &mut Stage) -> Result<()> {
    let pair = wait_for_pair(stage, &[])?;
    let gone = strike(stage, Cause::Sigkill, pair)?;
    wait_for_pair(stage, &gone).map(drop)
}

/// Whether it came in time.
fn came(waited: Result<()>) -> Result<bool> {
    match waited {
        Ok(()) => Ok(true),
        Err(Error::Late { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn strike(stage: &mut Stage, cause: Cause, pair: Pair) -> Result<Vec<Pid>> {
    let signal = match cause {
        Cause::Quiet => return Ok(vec![]),
        Cause::Sigkill => Signal::SIGKILL,
        Cause::SigsegvCore => Signal::SIGSEGV,
        Cause::Hang => Signal::SIGSTOP,
        Cause::RestartWithoutStandby => return restart(stage, pair),
    };
    send(pair.active, signal)?;
    Ok(vec![pair.active])
}

/// All of the switch is killed, and started again at once. Nobody has a spare or a vault then.
fn restart(stage: &mut Stage, pair: Pair) -> Result<Vec<Pid>> {
    let supervisor = stage.rig_mut().supervisor_mut();
    supervisor.kill()?;
    send(pair.standby, Signal::SIGKILL)?;
    send(pair.active, Signal::SIGKILL)?;
    supervisor.start_again()?;
    Ok(vec![pair.supervisor, pair.active, pair.standby])
}

fn send(process: Pid, signal: Signal) -> Result<()> {
    match kill(process, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(Error::system(error)),
    }
}

/// Waits for a pair without the processes in `gone` whose standby has all of the guest's memory in its page
/// tables, as an active instance has that was a standby. All guests are connected then.
fn wait_until_calm(stage: &Stage, gone: &[Pid], memory: usize) -> Result<Pair> {
    let pair = wait_for_pair(stage, gone)?;
    stage.wait("guest memory is not in the page tables", || {
        resident(pair.standby) >= memory as u64 >> 10
    })?;
    stage.wait("a guest is not connected", || {
        stage.running().wait_for_links(Duration::ZERO).is_ok()
    })?;
    Ok(pair)
}

fn wait_for_pair(stage: &Stage, gone: &[Pid]) -> Result<Pair> {
    let look = || {
        let status = stage.operator().status().ok()?;
        Pair::of(&status).filter(|pair| pair.is_without(gone))
    };
    let mut found = None;
    stage.wait("no active instance with a spare", || {
        found = look();
        found.is_some()
    })?;
    found.ok_or(Error::Empty("the pair"))
}

/// Waits until somebody else owns the lanes: what arrives before may be of the dead one, and only be late.
/// A term is read from the ledger, for to ask the supervisor would take CPU time from the lanes.
fn wait_for_successor(
    stage: &Stage,
    cause: Cause,
    pair: Pair,
    gone: &[Pid],
    setting: &Setting<'_>,
) -> Result<()> {
    match cause {
        Cause::Quiet => Ok(()),
        Cause::Sigkill | Cause::SigsegvCore | Cause::Hang => stage
            .wait("nobody owns the lanes", || {
                setting.ledger.term().0 > pair.term
            }),
        Cause::RestartWithoutStandby => wait_for_pair(stage, gone).map(drop),
    }
}

fn wait_for_flows(stage: &Stage, since: Nanos) -> Result<()> {
    stage.wait("not every flow goes on", || {
        let mut flows = stage.running().flows().iter();
        flows.all(|flow| flow.arrivals.last() > Some(since))
    })
}

fn blackout(stage: &Stage, window: Window) -> Result<f64> {
    let mut longest = 0;
    for flow in stage.running().flows() {
        longest = longest.max(flow.blackout(window)?.length());
    }
    Ok(us(longest))
}

fn us(nanos: Nanos) -> f64 {
    nanos as f64 / 1e3
}

/// `RssShmem` of `/proc/PID/status` (man 5 proc): guest memory is that of memfds.
fn resident(process: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssShmem:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
