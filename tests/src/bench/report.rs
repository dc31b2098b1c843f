//! The result, as it is written.

use super::by_devices::DevicesReport;
use super::error::{Error, Result};
use super::options::Options;
use super::restart::RestartReport;
use super::stage::FLOWS;
use super::standby::StandbyReport;
use super::toll::Counts;
use super::window::{WINDOW, WindowReport, us};
use super::windows::{Void, Windows};
use crate::statistics::{Difference, Summary, two_sample};
use serde::Serialize;
use std::collections::BTreeMap;

/// How the promotes were asked for.
const TRIGGER: &str =
    "the control socket, by a thread of the benchmark; no process is started for it";

/// What was measured. Blackouts are those of the worst flow.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Promotes measured, and as many windows without one.
    pub runs: usize,
    /// Blackout of a promote, µs: the longest gap of any flow in its window.
    pub blackout_us: Summary,
    /// Freeze of a promote, µs.
    pub freeze_us: Summary,
    /// The noise floor, µs: the longest gap of any flow in a window without a promote.
    pub noise_us: Summary,
    /// Blackout of a plain restart, µs.
    pub restart_us: Summary,
    /// Frames of all flows that did not arrive, while there were promotes.
    pub lost: u64,
    /// Frames that arrived twice.
    pub doubled: u64,
    /// Frames that were overtaken.
    pub reordered: u64,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// The same with more devices.
    pub by_devices: Vec<DevicesReport>,
    /// Windows with a promote against windows without.
    pub comparison: Comparison,
    /// Median blackout of a restart by that of a promote.
    pub restart_by_promote: f64,
    /// Each flow.
    pub flows: Vec<FlowFigures>,
    /// From the request to the new active one, µs.
    pub total_us: Summary,
    /// The phases of the promotes, µs.
    pub phases_us: BTreeMap<String, Summary>,
    /// Restarts.
    pub restart: RestartReport,
    /// The idle standby.
    pub standby: StandbyReport,
    /// All frames of all flows, while there were promotes.
    pub counts: Counts,
    /// Batches of windows that were measured again, and why.
    pub void: Vec<Void>,
    /// Promotes that took longer than their window, which was extended.
    pub overran: usize,
    /// How the promotes were asked for.
    pub trigger: &'static str,
    /// Decided the order of the windows.
    pub seed: u64,
    /// Length of a window, ms.
    pub window_ms: u64,
    /// Frames a second of each flow.
    pub rate: u32,
    /// Every window, in the order of time.
    pub windows: Vec<WindowReport>,
}

/// Whether a promote can be seen at all.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Comparison {
    /// Median blackout with a promote less that without, µs.
    pub median_difference_us: f64,
    /// The two-sample Kolmogorov-Smirnov test.
    #[serde(flatten)]
    pub difference: Difference,
}

/// A flow while there were promotes.
#[derive(Debug, Clone, Serialize)]
pub struct FlowFigures {
    /// Its name.
    pub name: &'static str,
    /// Its frames.
    pub counts: Counts,
    /// Its longest gap in a window with a promote, µs.
    pub blackout_us: Summary,
    /// Its longest gap in a window without, µs.
    pub noise_us: Summary,
    /// Windows with a promote against windows without.
    pub comparison: Comparison,
}

/// What one system showed.
pub(super) struct Measured {
    pub(super) windows: Windows,
    pub(super) standby: StandbyReport,
    pub(super) restart: RestartReport,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        rate: u32,
        measured: Measured,
        by_devices: Vec<DevicesReport>,
    ) -> Result<Self> {
        let Measured {
            windows,
            standby,
            restart,
        } = measured;
        let (blackouts, noise) = (windows.blackouts(), windows.noise());
        let blackout_us = summary(&blackouts)?;
        let counts = windows.toll.total();
        Ok(Self {
            runs: blackouts.len(),
            blackout_us,
            freeze_us: summary(&windows.freezes())?,
            noise_us: summary(&noise)?,
            restart_us: restart.blackout_us,
            lost: counts.lost,
            doubled: counts.doubled,
            reordered: counts.reordered,
            disconnects: windows.toll.disconnects,
            by_devices,
            comparison: compare(&noise, &blackouts)?,
            restart_by_promote: restart.blackout_us.median / blackout_us.median,
            flows: flows(&windows)?,
            total_us: summary(&windows.totals())?,
            phases_us: phases(&windows)?,
            restart,
            standby,
            counts,
            void: windows.void,
            overran: windows
                .kept
                .iter()
                .filter(|window| window.length_us > us(WINDOW))
                .count(),
            trigger: TRIGGER,
            seed: options.seed,
            window_ms: WINDOW / 1_000_000,
            rate,
            windows: windows.kept,
        })
    }
}

fn flows(windows: &Windows) -> Result<Vec<FlowFigures>> {
    let figures = |(place, (name, counts)): (usize, (&&'static str, &Counts))| {
        let gap = |window: &WindowReport| window.gaps[place].length_us;
        let blackouts: Vec<f64> = windows.promoted().map(gap).collect();
        let noise: Vec<f64> = windows.quiet().map(gap).collect();
        Ok(FlowFigures {
            name,
            counts: *counts,
            blackout_us: summary(&blackouts)?,
            noise_us: summary(&noise)?,
            comparison: compare(&noise, &blackouts)?,
        })
    };
    let flows = FLOWS.iter().zip(&windows.toll.flows);
    flows.enumerate().map(figures).collect()
}

fn phases(windows: &Windows) -> Result<BTreeMap<String, Summary>> {
    let mut times = BTreeMap::<String, Vec<f64>>::new();
    let promotes = windows
        .promoted()
        .filter_map(|window| window.promote.as_ref());
    for phase in promotes.flat_map(|promote| &promote.report.phases) {
        times
            .entry(phase.name.clone())
            .or_default()
            .push(phase.us as f64);
    }
    times
        .into_iter()
        .map(|(name, times)| Ok((name, summary(&times)?)))
        .collect()
}

fn compare(noise: &[f64], blackouts: &[f64]) -> Result<Comparison> {
    Ok(Comparison {
        median_difference_us: summary(blackouts)?.median - summary(noise)?.median,
        difference: two_sample(noise, blackouts).ok_or(Error::Empty("a window"))?,
    })
}

fn summary(values: &[f64]) -> Result<Summary> {
    Summary::of(values).ok_or(Error::Empty("a promote"))
}
