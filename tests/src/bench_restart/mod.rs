//! `bench-restart`: how long no packet passes where there is one device for both instances, or memory
//! for one instance only.
//!
//! Three ways, one after the other in one run, of the same switch under the same flows: *cold*, the
//! process is killed and started again, and takes its hugepages anew; *fast*, a move without standby
//! on memory files that are populated; *warm*, a move to a standby that has everything but the device.
//!
//! Reading order: [`Options`]; [`run`]; `case`, one of the three; [`Report`].

mod case;
mod options;
mod picture;
mod report;

pub use case::Name;
pub use options::Options;
pub use report::{Case, OutageMs, Report};

use crate::bench::stage::Conditions;
use crate::bench::{Error, Result, write};
use crate::rig::Hugepages;
use crate::terminal::{Interrupt, Progress};
use std::fs;

/// Measures, writes the result and the picture, and prints a table on standard output.
///
/// # Errors
/// [`Error`]; nothing is written then.
pub fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let progress = Progress::on_stderr("bench-restart");
    let report = measure(options, &interrupt, &progress);
    progress.end();
    interrupt.check()?; // What fails after Ctrl-C fails because of it.
    let report = report?;
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

fn measure(options: &Options, interrupt: &Interrupt, progress: &Progress) -> Result<Report> {
    let conditions = Conditions::new(options.quick, interrupt)?;
    let _hugepages = Hugepages::at_least(2 * options.memory())?;
    let mut cases = Vec::new();
    for name in Name::ALL {
        progress.note(&format!("{name}: {} runs", options.runs()));
        cases.push(case::measure(name, options, &conditions, progress)?);
    }
    Ok(Report {
        memory_mib: options.memory(),
        rate: conditions.rate,
        quick: options.quick,
        cases,
    })
}
