//! Whether the number of devices matters: the same promotes with more and more idle guests.

use super::error::{Error, Result};
use super::options::Options;
use super::progress;
use super::stage::{Conditions, Stage};
use super::toll::Counts;
use super::windows::{Void, Windows};
use crate::statistics::Summary;
use serde::Serialize;

/// Promotes with so many devices.
#[derive(Debug, Clone, Serialize)]
pub struct DevicesReport {
    /// Devices of all guests; one of them carries flows.
    pub devices: usize,
    /// Promotes, and as many windows without one.
    pub runs: usize,
    /// From the old lanes' last burst to the new lanes' first, µs.
    pub freeze_us: Summary,
    /// The worst flow's longest gap in a window with a promote, µs.
    pub blackout_us: Summary,
    /// The same without a promote, µs.
    pub noise_us: Summary,
    /// From the request to its outcome, µs.
    pub total_us: Summary,
    /// Frames of all flows.
    pub counts: Counts,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// Batches measured again, and why.
    pub void: Vec<Void>,
}

/// One report for each different number of devices.
pub(super) fn measure(options: &Options, conditions: &Conditions) -> Result<Vec<DevicesReport>> {
    let mut measured: Vec<(usize, Windows)> = vec![];
    for (round, &devices) in (1..).zip(options.devices()) {
        progress(&format!("{devices} devices"));
        let stage = Stage::with_devices(conditions, devices)?;
        let windows = Windows::measure(&stage, options.runs_by_devices(), options.seed + round)?;
        match measured.iter_mut().find(|(number, _)| *number == devices) {
            Some((_, earlier)) => earlier.extend(windows),
            None => measured.push((devices, windows)),
        }
    }
    measured.into_iter().map(report).collect()
}

fn report((devices, windows): (usize, Windows)) -> Result<DevicesReport> {
    let summary = |values: Vec<f64>| Summary::of(&values).ok_or(Error::Empty("some devices"));
    Ok(DevicesReport {
        devices,
        runs: windows.promoted().count(),
        freeze_us: summary(windows.freezes())?,
        blackout_us: summary(windows.blackouts())?,
        noise_us: summary(windows.noise())?,
        total_us: summary(windows.totals())?,
        counts: windows.toll.total(),
        disconnects: windows.toll.disconnects,
        void: windows.void,
    })
}
