//! A plain restart of the same vswitch: the service is stopped and started, and guests connect again.

use super::error::{Error, Result};
use super::operator::Operator;
use super::progress;
use super::stage::Stage;
use super::windows::{STALL_LIMIT, us};
use crate::emulator::{FlowReport, FlowView, Nanos, Running, Window, now};
use crate::statistics::Summary;
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

/// Steady traffic before a restart and after it.
const STEADY: Duration = Duration::from_millis(300);
/// How long everything may take to be well again.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Void restarts after which the machine is too busy to measure.
const VOID_MOST: usize = 5;

/// What restarts cost.
#[derive(Debug, Clone, Serialize)]
pub struct RestartReport {
    /// Restarts measured.
    pub runs: usize,
    /// Restarts in which the instrument stalled for too long; they were repeated.
    pub void: usize,
    /// The worst flow's blackout of each restart, µs.
    pub blackouts_us: Vec<f64>,
    /// The same in three numbers.
    pub blackout_us: Summary,
    /// Frames sent that did not arrive, all flows and restarts, void ones too.
    pub lost: u64,
    /// Frames that the guests could not even send, because their rings were full or down.
    pub refused: u64,
    /// vhost-user connections closed.
    pub disconnects: u64,
}

/// What is counted over all flows.
#[derive(Clone, Copy)]
struct Toll {
    lost: u64,
    refused: u64,
    disconnects: u64,
}

/// Restarts the switch of `stage` `runs` times under its flows.
pub(super) fn measure(stage: &mut Stage, runs: usize) -> Result<RestartReport> {
    let operator = stage.operator();
    let before = toll(stage.running());
    let (mut blackouts_us, mut void) = (vec![], 0);
    while blackouts_us.len() < runs {
        progress(&format!(
            "plain restart {} of {runs}",
            blackouts_us.len() + 1
        ));
        match restart(stage, &operator)? {
            Some(blackout) => blackouts_us.push(us(blackout)),
            None if void < VOID_MOST => void += 1,
            None => {
                let limit = STALL_LIMIT;
                return Err(Error::TooManyVoid { void, limit });
            }
        }
    }
    stage.running().stop_flows()?;
    let after = toll(stage.running());
    Ok(RestartReport {
        runs,
        void,
        blackout_us: Summary::of(&blackouts_us).ok_or(Error::Empty("a restart"))?,
        blackouts_us,
        lost: after.lost - before.lost,
        refused: after.refused - before.refused,
        disconnects: after.disconnects - before.disconnects,
    })
}

/// The worst flow's blackout; none when the instrument stalled.
fn restart(stage: &mut Stage, operator: &Operator) -> Result<Option<Nanos>> {
    thread::sleep(STEADY);
    let from = now();
    stage.rig_mut().supervisor_mut().restart()?;
    wait_for_flows(stage.running(), now())?;
    operator.wait_for_spare(PATIENCE)?;
    thread::sleep(STEADY);
    let (running, window) = (stage.running(), Window::new(from, now()));
    if us(running.stalls().longest(window).length()) > us(STALL_LIMIT.as_nanos() as Nanos) {
        return Ok(None);
    }
    let gaps = running
        .flows()
        .iter()
        .map(|flow| Ok(flow.blackout(window)?.length()));
    let gaps: Vec<Nanos> = gaps.collect::<Result<_>>()?;
    Ok(gaps.into_iter().max())
}

/// Waits until something of every flow has arrived after `since`.
fn wait_for_flows(running: &Running, since: Nanos) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let arrives = |flow: &FlowView| flow.arrivals.last() > Some(since);
    while !running.flows().iter().all(arrives) {
        if Instant::now() > until {
            let (what, limit) = ("not every flow goes on", PATIENCE);
            return Err(Error::Late { what, limit });
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn toll(running: &Running) -> Toll {
    let report = running.report();
    let sum = |of: fn(&FlowReport) -> u64| report.flows.iter().map(of).sum();
    Toll {
        lost: sum(|flow| flow.lost),
        refused: sum(|flow| flow.refused),
        disconnects: report.endpoints.iter().map(|end| end.disconnects).sum(),
    }
}
