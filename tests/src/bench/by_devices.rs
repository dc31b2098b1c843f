//! Whether the number of devices matters: the same promotes with more and more idle guests.

use super::error::{Error, Result};
use super::options::Options;
use super::progress;
use super::stage::Stage;
use super::windows::Windows;
use crate::emulator::FlowReport;
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
    /// The worst flow's longest gap around a promote, µs.
    pub blackout_us: Summary,
    /// The same without a promote, µs.
    pub noise_us: Summary,
    /// From the request to the new active one, µs.
    pub total_us: Summary,
    /// Void windows, which were repeated.
    pub void: usize,
    /// Frames lost, doubled or out of order.
    pub damaged: u64,
    /// vhost-user connections closed.
    pub disconnects: u64,
}

/// What the systems with one number of devices showed.
struct Gathered {
    devices: usize,
    windows: Windows,
    damaged: u64,
    disconnects: u64,
}

/// One report for each different number.
pub(super) fn measure(options: &Options) -> Result<Vec<DevicesReport>> {
    let mut gathered: Vec<Gathered> = vec![];
    for (round, devices) in (1..).zip(options.devices()) {
        progress(&format!("{devices} devices"));
        let found = measure_one(*devices, options.runs_by_devices(), options.seed + round)?;
        match gathered.iter_mut().find(|one| one.devices == found.devices) {
            Some(earlier) => earlier.add(found),
            None => gathered.push(found),
        }
    }
    gathered.iter().map(Gathered::report).collect()
}

fn measure_one(devices: usize, runs: usize, seed: u64) -> Result<Gathered> {
    let stage = Stage::with_devices(devices)?;
    let windows = Windows::measure(stage.running(), &stage.operator(), runs, seed)?;
    stage.running().stop_flows()?;
    let report = stage.running().report();
    let damaged = |flow: &FlowReport| flow.lost + flow.doubled + flow.reordered + flow.corrupted;
    Ok(Gathered {
        devices,
        windows,
        damaged: report.flows.iter().map(damaged).sum(),
        disconnects: report.endpoints.iter().map(|end| end.disconnects).sum(),
    })
}

impl Gathered {
    fn add(&mut self, other: Self) {
        self.windows.kept.extend(other.windows.kept);
        self.windows.void += other.windows.void;
        self.damaged += other.damaged;
        self.disconnects += other.disconnects;
    }

    fn report(&self) -> Result<DevicesReport> {
        let windows = &self.windows;
        let total = windows
            .promoted()
            .map(|(_, promote)| promote.report.total_us as f64);
        let summary = |values: Vec<f64>| Summary::of(&values).ok_or(Error::Empty("some devices"));
        Ok(DevicesReport {
            devices: self.devices,
            runs: windows.promoted().count(),
            freeze_us: summary(windows.freezes())?,
            blackout_us: summary(windows.blackouts())?,
            noise_us: summary(windows.noise())?,
            total_us: summary(total.collect())?,
            void: windows.void,
            damaged: self.damaged,
            disconnects: self.disconnects,
        })
    }
}
