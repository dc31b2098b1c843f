//! One window of steady traffic in which the active instance dies, or nothing happens.

use super::report::Cause;
use crate::bench::stage::Stage;
use crate::bench::toll::{Counts, Toll};
use crate::bench::{Error, Result};
use crate::cores::Cores;
use crate::emulator::{Nanos, Window, now};
use crate::failover::{Pair, Tally};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::thread;
use std::time::Duration;

/// From the start of a window to the death, and from when all is well to the end of the round.
const LEAD: Duration = Duration::from_millis(10);
/// Length of a window at least.
const WINDOW: Nanos = 50_000_000;

/// What one window showed.
#[derive(Debug)]
pub(super) struct Round {
    /// The longest gap of any flow, µs.
    pub(super) blackout_us: f64,
    /// By flow.
    pub(super) frames: Tally,
    /// vhost-user connections closed.
    pub(super) disconnects: u64,
    /// Some flow has not gone on, or there is no spare.
    pub(super) stuck: bool,
    /// A core was written.
    pub(super) cores: u64,
    /// Guest memory in the page tables of the instance that died, KiB.
    pub(super) resident_kib: u64,
    /// Why it says nothing, if so.
    pub(super) void: Option<String>,
}

impl Round {
    pub(super) fn observe(stage: &mut Stage, cause: Cause, cores: &Cores) -> Result<Self> {
        let pair = wait_for_pair(stage, &[])?;
        let (tallies, before) = (Tally::of(stage.running()), Toll::now(stage.running()));
        let resident_kib = resident(pair.active);
        let from = now();
        thread::sleep(LEAD);
        let gone = strike(stage, cause, pair)?;
        let struck = now();
        let goes_on = wait_for_flows(stage, struck);
        thread::sleep(LEAD);
        let window = Window::new(from, now().max(from + WINDOW));
        thread::sleep(Duration::from_nanos(window.until.saturating_sub(now())));
        let whole = goes_on.and_then(|()| wait_for_pair(stage, &gone));
        let blackout_us = blackout(stage, window)?;
        let mut frames = Tally::default();
        let flows = Tally::of(stage.running()).into_iter().zip(tallies);
        flows.for_each(|(after, before)| frames += after - before);
        let toll = Toll::now(stage.running()).since(&before);
        Ok(Self {
            blackout_us,
            frames,
            disconnects: toll.disconnects,
            stuck: whole.is_err(),
            cores: cores.take()?,
            resident_kib,
            void: stage.void(window, &toll),
        })
    }

    /// Frames as every benchmark counts them.
    pub(super) fn counts(&self) -> Counts {
        let Tally {
            sent,
            lost,
            doubled,
            reordered,
            corrupted,
            refused,
        } = self.frames;
        Counts {
            sent,
            received: sent.saturating_sub(lost),
            lost,
            doubled,
            reordered,
            corrupted,
            refused,
            skipped: 0,
        }
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
    Ok(longest as f64 / 1e3)
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
