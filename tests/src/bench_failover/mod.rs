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

use crate::bench::stage::{Conditions, Stage};
use crate::bench::{Error, Result, write};
use crate::cores::Cores;
use crate::failover::ledger_of;
use crate::terminal::{Interrupt, Progress};
use report::Measured;
use round::{Round, Setting};

/// Rounds that may be void for each that counts.
const VOID_FOR_EACH: usize = 2;
/// Rounds between two lines of progress.
const TELL_EVERY: usize = 20;

/// Measures, writes the file that [`Options::output`] names, and prints a table on standard output.
///
/// # Errors
/// [`Error`]; no file is written then.
pub fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let progress = Progress::on_stderr("bench-failover");
    let report = measure(options, &interrupt, &progress);
    progress.end();
    interrupt.check()?; // What fails after Ctrl-C fails because of it.
    let report = report?;
    write(&report, &options.output)?;
    println!("{report}\n\nwritten to {}", options.output.display());
    Ok(())
}

fn measure(options: &Options, interrupt: &Interrupt, progress: &Progress) -> Result<Report> {
    let conditions = Conditions::new(options.quick, interrupt)?;
    let memory = memory::available(options.memory(), |what| progress.note(what))?;
    let mut chance = fastrand::Rng::with_seed(options.seed);
    let mut measured = Measured::default();
    for &devices in options.devices() {
        progress.note(&format!("{devices} devices"));
        let cores = Cores::collect()?;
        let mut stage = Stage::with_memory(&conditions, devices, memory)?;
        round::replace_first(&mut stage)?;
        let setting = Setting {
            ledger: ledger_of(stage.rig_mut().supervisor().pid())?,
            memory,
            cores: &cores,
        };
        let order = order(options, &mut chance);
        measure_stage(order, &mut stage, &setting, progress, &mut measured)?;
    }
    Report::new(options, conditions.rate, memory, measured)
}

/// Deaths and quiet windows in random order, and restarts behind them.
fn order(options: &Options, chance: &mut fastrand::Rng) -> Vec<Cause> {
    let causes = options.causes().iter();
    let mut order: Vec<Cause> = causes
        .flat_map(|&cause| vec![cause; options.runs()])
        .collect();
    chance.shuffle(&mut order);
    order.extend(vec![Cause::RestartWithoutStandby; options.restarts()]);
    order
}

fn measure_stage(
    order: Vec<Cause>,
    stage: &mut Stage,
    setting: &Setting<'_>,
    progress: &Progress,
    measured: &mut Measured,
) -> Result<()> {
    let (mut void, all) = (0, order.len());
    for (done, cause) in order.into_iter().enumerate() {
        if done % TELL_EVERY == 0 {
            progress.count("rounds", done as u32, all as u32);
        }
        while !measured.add(
            cause,
            stage.devices(),
            Round::observe(stage, cause, setting)?,
        ) {
            void += 1;
            if void > VOID_FOR_EACH * all {
                return Err(Error::TooManyVoid(void));
            }
        }
    }
    Ok(())
}
