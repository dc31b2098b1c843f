//! The result.

use super::case::Name;
use crate::bench::Counts;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// DPDK's memory of one instance, MiB.
    pub memory_mib: u64,
    /// Frames a second of each flow.
    pub rate: u32,
    /// The figures mean little.
    pub quick: bool,
    /// Cold, fast and warm.
    pub cases: Vec<Case>,
}

/// One way to replace the switch.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// Which.
    pub name: Name,
    /// The device.
    pub uplink: String,
    /// The longest time without a packet in any of the flows.
    pub outage_ms: OutageMs,
    /// How often it was measured.
    pub runs: usize,
    /// Each of them, ms.
    pub outages_ms: Vec<f64>,
    /// Frames of all flows and runs.
    pub counts: Counts,
    /// vhost-user connections closed.
    pub disconnects: u64,
    /// Runs that were measured again, because the instrument itself stood still.
    pub void: usize,
}

/// ms.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OutageMs {
    /// Median.
    pub median: f64,
    /// Longest.
    pub max: f64,
}

impl Report {
    /// How much longer a plain restart takes than `name`, by medians.
    pub(super) fn cold_by(&self, name: Name) -> Option<f64> {
        let median = |name| {
            let case = self.cases.iter().find(|case| case.name == name)?;
            Some(case.outage_ms.median)
        };
        Some(median(Name::Cold)? / median(name)?)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Time without packets, {} MiB of hugepages an instance, three flows of {} frames/s:\n",
            self.memory_mib, self.rate
        )?;
        writeln!(
            f,
            "{:<6} {:<16} {:>5} {:>12} {:>10} {:>10} {:>12}",
            "", "uplink", "runs", "median/ms", "max/ms", "lost", "disconnects"
        )?;
        for case in &self.cases {
            writeln!(
                f,
                "{:<6} {:<16} {:>5} {:>12.1} {:>10.1} {:>10} {:>12}",
                case.name,
                case.uplink,
                case.runs,
                case.outage_ms.median,
                case.outage_ms.max,
                case.counts.lost,
                case.disconnects
            )?;
        }
        for name in [Name::Fast, Name::Warm] {
            if let Some(times) = self.cold_by(name) {
                writeln!(f, "cold takes {times:.1} times as long as {name}")?;
            }
        }
        Ok(())
    }
}
