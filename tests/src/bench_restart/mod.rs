//! `bench-restart`: how long no packet passes where there is one device for both instances, or memory
//! for one instance only.
//!
//! Three ways, one after the other in one run, of the same switch under the same flows: *cold*, the
//! process is killed and started again, and takes its hugepages anew; *fast*, a move without standby
//! on memory files that are populated; *warm*, a move to a standby that has everything but the device.
//!
//! The device is the software NIC, one that is named, or one VF of the NIC of a
//! [`crate::nic_machine`]; with `--rig` the last one follows the first in one result.
//!
//! Reading order: [`Options`]; [`run`]; `setting`, the device; `case`, one of the three; [`Report`].

mod case;
mod in_machine;
mod options;
mod picture;
mod report;
mod setting;

pub use case::Name;
pub use options::Options;
pub use report::{Case, OutageMs, Report};

use crate::bench::{Error, Result, write};
use crate::rig::Hugepages;
use crate::terminal::{Interrupt, Progress};
use setting::Setting;
use std::fs;

/// Measures, writes the result and the picture, and prints a table on standard output.
///
/// # Errors
/// [`Error`]; nothing is written then.
pub fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let progress = Progress::on_stderr("bench-restart");
    let cases = measure(options, &interrupt, &progress);
    progress.end();
    interrupt.check()?; // What fails after Ctrl-C fails because of it.
    let report = Report {
        quick: options.quick,
        cases: cases?,
    };
    write(&report, &options.output)?;
    let picture = options.picture();
    fs::write(&picture, picture::draw(&report))
        .map_err(|error| Error::File(picture.clone(), error))?;
    println!(
        "{report}\nwritten to {} and {}",
        options.output.display(),
        picture.display()
    );
    Ok(())
}

fn measure(options: &Options, interrupt: &Interrupt, progress: &Progress) -> Result<Vec<Case>> {
    let mut cases = here(options, interrupt, progress)?;
    if options.rig {
        cases.extend(in_machine::measure(options, interrupt, progress)?);
    }
    Ok(cases)
}

fn here(options: &Options, interrupt: &Interrupt, progress: &Progress) -> Result<Vec<Case>> {
    let setting = Setting::new(options, interrupt)?;
    let _hugepages = Hugepages::at_least(2 * setting.memory)?;
    let mut cases = Vec::new();
    for name in Name::ALL {
        progress.note(&format!(
            "{}, {name}: {} runs",
            setting.uplink, setting.runs
        ));
        cases.push(case::measure(name, &setting, progress)?);
    }
    Ok(cases)
}
