//! `bench-promote`: what a promote costs, with what nothing at all costs beside it.
//!
//! On a machine with two cores and neighbours a steady stream has gaps of milliseconds with nothing
//! happening. So a promote's blackout is never quoted alone: windows with a promote and windows without,
//! of the same length, in random order in the same run, differ in nothing else and are compared.
//!
//! Reading order: [`Options`]; [`run`]; `stage`, a system with flows; `window` and `windows`, what is
//! measured; [`Report`].

mod by_devices;
mod cpus;
mod error;
mod options;
mod order;
mod report;
pub(crate) mod restart;
pub(crate) mod stage;
mod standby;
mod table;
pub(crate) mod toll;
mod window;
mod windows;

pub use by_devices::DevicesReport;
pub use error::{Error, Result};
pub use options::Options;
pub use report::{Comparison, FlowFigures, Report};
pub use restart::RestartReport;
pub use standby::{StandbyReport, ThreadCpu};
pub use toll::Counts;
pub use window::{Promote, Span, WindowReport};
pub use windows::Void;

use crate::terminal::Interrupt;
use report::Measured;
use serde::Serialize;
use stage::{Conditions, Stage};
use std::fs;
use std::path::Path;
use windows::Windows;

/// Measures, writes the file that [`Options::output`] names, and prints a table on standard output.
///
/// # Errors
/// [`Error`]; no file is written then.
pub fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let report = measure(options, &interrupt);
    interrupt.check()?; // What fails after Ctrl-C fails because of it.
    let report = report?;
    write(&report, &options.output)?;
    println!("{report}\n\nwritten to {}", options.output.display());
    Ok(())
}

fn measure(options: &Options, interrupt: &Interrupt) -> Result<Report> {
    let conditions = Conditions::new(options.quick, interrupt)?;
    let measured = measure_promotes(options, &conditions)?;
    let by_devices = by_devices::measure(options, &conditions)?;
    Report::new(options, conditions.rate, measured, by_devices)
}

/// The idle standby, promotes, and plain restarts, all of one system under the same flows.
fn measure_promotes(options: &Options, conditions: &Conditions) -> Result<Measured> {
    let mut stage = Stage::three_flows(conditions)?;
    progress("the standby idles");
    let standby = standby::measure(&stage, options.idle())?;
    let windows = Windows::measure(&stage, options.runs(), options.seed)?;
    let restart = restart::measure(&mut stage, options.restarts())?;
    Ok(Measured {
        windows,
        standby,
        restart,
    })
}

/// Writes a result as JSON, and makes the folder for it.
pub(crate) fn write(report: &impl Serialize, path: &Path) -> Result<()> {
    let named = |error| Error::File(path.to_owned(), error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(named)?;
    }
    let json = serde_json::to_string_pretty(report).map_err(|error| named(error.into()))?;
    fs::write(path, json + "\n").map_err(named)
}

/// What the benchmark is at, for who waits.
fn progress(what: &str) {
    eprintln!("bench-promote: {what}");
}
