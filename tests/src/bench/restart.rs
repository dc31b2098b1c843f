//! A plain restart of the same vswitch: the service is stopped and started, and the guests connect again.

use super::error::{Error, Result};
use super::progress;
use super::stage::Stage;
use super::toll::{Counts, Toll};
use super::window::us;
use super::windows::Void;
use crate::emulator::{Window, now};
use crate::statistics::Summary;
use serde::Serialize;
use std::thread;
use std::time::Duration;

/// Steady traffic before a restart and after it.
const STEADY: Duration = Duration::from_millis(300);

/// What restarts cost.
#[derive(Debug, Clone, Serialize)]
pub struct RestartReport {
    /// Restarts measured.
    pub runs: usize,
    /// The worst flow's blackout of each restart, µs.
    pub blackouts_us: Vec<f64>,
    /// The same in three numbers.
    pub blackout_us: Summary,
    /// Frames of all flows and restarts.
    pub counts: Counts,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// Restarts measured again, and why.
    pub void: Vec<Void>,
}

/// Restarts the switch of `stage` `runs` times under its flows.
pub(super) fn measure(stage: &mut Stage, runs: usize) -> Result<RestartReport> {
    let (mut blackouts_us, mut sum, mut void) = (vec![], Toll::default(), vec![]);
    while blackouts_us.len() < runs {
        progress(&format!(
            "plain restart {} of {runs}",
            blackouts_us.len() + 1
        ));
        let (blackout_us, toll, reason) = restart(stage)?;
        if let Some(reason) = reason {
            progress(&format!("void, repeated: {reason}"));
            let lost = toll.total().lost;
            void.push(Void { reason, lost });
            Void::check(void.len(), Void::limit(runs))?;
        } else {
            blackouts_us.push(blackout_us);
            sum.add(&toll);
        }
    }
    Ok(RestartReport {
        runs,
        blackout_us: Summary::of(&blackouts_us).ok_or(Error::Empty("a restart"))?,
        blackouts_us,
        counts: sum.total(),
        disconnects: sum.disconnects,
        void,
    })
}

/// The worst flow's blackout, what was counted, and why it is void, if so.
fn restart(stage: &mut Stage) -> Result<(f64, Toll, Option<String>)> {
    under_flows(stage, Stage::restart)
}

/// What it costs to `act` under the stage's flows: the worst flow's blackout, what was counted, and why
/// that is void, if so. When `act` returns, nothing of before serves any more.
pub(crate) fn under_flows(
    stage: &mut Stage,
    act: impl FnOnce(&mut Stage) -> Result<()>,
) -> Result<(f64, Toll, Option<String>)> {
    let before = Toll::of(stage.running());
    stage.start_flows()?;
    thread::sleep(STEADY);
    let from = now();
    act(stage)?;
    let restarted = now();
    stage.wait("not every flow goes on", || {
        let mut flows = stage.running().flows().iter();
        flows.all(|flow| flow.arrivals.last() > Some(restarted))
    })?;
    stage.wait_until_well()?;
    thread::sleep(STEADY);
    let window = Window::new(from, now());
    let gaps = stage
        .running()
        .flows()
        .iter()
        .map(|flow| Ok(us(flow.blackout(window)?.length())));
    let gaps = gaps.collect::<Result<Vec<_>>>()?;
    stage.running().stop_flows()?;
    let toll = Toll::of(stage.running()).since(&before);
    let void = stage.void(window, &toll);
    Ok((gaps.into_iter().fold(0.0, f64::max), toll, void))
}
