//! `bench-failover`: what a death of the active instance costs, with what nothing at all costs beside it,
//! and what it costs to kill the same switch and start it again.
//!
//! One system at a time, with 1 and with 64 devices, and 4 GiB of one guest's memory in 4 KiB pages.
//! Deaths of every cause and quiet windows follow each other in random order, so that whatever drifts on
//! the machine drifts under all of them.
//!
//! Reading order: [`Options`]; [`run`]; `round`, one death; [`Report`].

mod memory;
mod options;
mod report;
mod round;

pub use options::Options;
pub use report::{Case, Cause, Report};

use crate::bench::cpus;
use crate::bench::stage::Stage;
use crate::bench::{Error, Result};
use crate::cores::Cores;
use report::Measured;
use round::Round;
use std::fs;

/// Rounds that may be void for each that counts.
const VOID_FOR_EACH: usize = 2;

/// Measures, writes the file that [`Options::output`] names, and prints a table on standard output.
///
/// # Errors
/// [`Error`]; no file is written then.
pub fn run(options: &Options) -> Result<()> {
    let report = measure(options)?;
    let named = |error| Error::File(options.output.clone(), error);
    if let Some(folder) = options.output.parent() {
        fs::create_dir_all(folder).map_err(named)?;
    }
    let json = serde_json::to_string_pretty(&report).map_err(|error| named(error.into()))?;
    fs::write(&options.output, json + "\n").map_err(named)?;
    println!("{report}\n\nwritten to {}", options.output.display());
    Ok(())
}

fn measure(options: &Options) -> Result<Report> {
    let instrument = cpus::reserve_for_instrument()?;
    let memory = memory::available(options.memory(), progress)?;
    let mut chance = fastrand::Rng::with_seed(options.seed);
    let mut measured = Measured::default();
    for &devices in options.devices() {
        progress(&format!("{devices} devices"));
        let cores = Cores::collect()?;
        let mut stage = Stage::with_memory(instrument, devices, memory)?;
        stage.start_flows()?;
        measure_stage(options, &mut stage, &cores, &mut chance, &mut measured)?;
    }
    Report::new(options, memory, measured)
}

fn measure_stage(
    options: &Options,
    stage: &mut Stage,
    cores: &Cores,
    chance: &mut fastrand::Rng,
    measured: &mut Measured,
) -> Result<()> {
    let mut order: Vec<Cause> = options
        .causes()
        .iter()
        .flat_map(|&cause| vec![cause; options.runs()])
        .collect();
    chance.shuffle(&mut order);
    order.extend(vec![Cause::RestartWithoutStandby; options.restarts()]);
    let mut void = 0;
    let all = order.len();
    for (done, cause) in order.into_iter().enumerate() {
        if done % 20 == 0 {
            progress(&format!("{done} of {all}"));
        }
        while !measured.add(cause, stage.devices(), Round::observe(stage, cause, cores)?) {
            void += 1;
            if void > VOID_FOR_EACH * all {
                return Err(Error::TooManyVoid(void));
            }
        }
    }
    Ok(())
}

/// What the benchmark is at, for who waits.
fn progress(what: &str) {
    eprintln!("bench-failover: {what}");
}
