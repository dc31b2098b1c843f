//! The result.

use super::case::Name;
use crate::bench::Counts;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// All of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The figures mean little.
    pub quick: bool,
    /// Cold, fast and warm, of one device after the other.
    pub cases: Vec<Case>,
}

/// One way to replace the switch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Case {
    /// Which.
    pub name: Name,
    /// The device.
    pub uplink: String,
    /// DPDK's memory of one instance, MiB.
    pub memory_mib: u64,
    /// Frames a second of each flow.
    pub rate: u32,
    /// Times are those of emulated CPUs: only their ratios mean something.
    pub emulated: bool,
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
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct OutageMs {
    /// Median.
    pub median: f64,
    /// Longest.
    pub max: f64,
}

impl Report {
    /// The cases of each device.
    pub(super) fn by_device(&self) -> impl Iterator<Item = &[Case]> {
        self.cases.chunk_by(|one, next| one.uplink == next.uplink)
    }
}

/// In which circumstances, for people.
pub(super) fn circumstances(case: &Case) -> String {
    format!(
        "{}{}: {} MiB of hugepages an instance, three flows of {} frames/s",
        case.uplink,
        if case.emulated {
            " (emulated, CPUs as well)"
        } else {
            ""
        },
        case.memory_mib,
        case.rate
    )
}

/// How much longer a plain restart takes than `name`, by medians.
fn cold_by(cases: &[Case], name: Name) -> Option<f64> {
    let median = |name| {
        let case = cases.iter().find(|case| case.name == name)?;
        Some(case.outage_ms.median)
    };
    Some(median(Name::Cold)? / median(name)?)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Time without packets, one device")?;
        self.by_device().try_for_each(|cases| table(f, cases))
    }
}

fn table(f: &mut Formatter<'_>, cases: &[Case]) -> fmt::Result {
    let Some(first) = cases.first() else {
        return Ok(());
    };
    writeln!(f, "\n{}", circumstances(first))?;
    writeln!(
        f,
        "{:<6} {:>5} {:>12} {:>10} {:>10} {:>12} {:>6}",
        "", "runs", "median/ms", "max/ms", "lost", "disconnects", "void"
    )?;
    for case in cases {
        writeln!(
            f,
            "{:<6} {:>5} {:>12.1} {:>10.1} {:>10} {:>12} {:>6}",
            case.name,
            case.runs,
            case.outage_ms.median,
            case.outage_ms.max,
            case.counts.lost,
            case.disconnects,
            case.void
        )?;
    }
    for name in [Name::Fast, Name::Warm] {
        if let Some(times) = cold_by(cases, name) {
            writeln!(f, "cold takes {times:.1} times as long as {name}")?;
        }
    }
    Ok(())
}
