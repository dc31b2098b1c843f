//! The demo: what a promote costs, beside what a plain restart of the same vswitch costs.
//!
//! It starts a supervisor with two instances on a NIC made of veth pairs, and three steady flows: VM to
//! VM, uplink to VM, VM to uplink. Then it promotes the standby again and again, promotes once the old
//! way (`--reconnect`), and once stops and starts the whole switch as an operator without a standby
//! would.
//!
//! # What is measured
//! Each move is measured alone: the flows start, the move is asked for, the flows stop when there is a
//! spare again, and every frame sent in between is accounted for. The *blackout* of a flow is the longest
//! gap between two arrivals that overlaps the time from the request to 10 ms after its answer, or after
//! the moment when every flow arrives again, if that is later. The *noise* is the same for a window of
//! the same length, at the end of the same flows, in which nobody asks for anything.
//!
//! A measurement in which the instrument itself stalled for too long, or its rings overflowed, is void:
//! it is counted, named, and repeated.
//!
//! Promotes are asked for over the control socket, as `vswsup promote` does, but by this process: to
//! start another one beside two busy CPUs is a disturbance of its own. For a restart the supervisor gets
//! a SIGTERM and is started again when it has ended; the guests connect again by themselves.
//!
//! Reading order: [`Options`], [`run`]; `stage`, one move under traffic; [`Outcome`], what is printed.

mod counts;
mod error;
#[cfg(test)]
mod made_up;
mod measured;
mod options;
mod outcome;
mod picture;
mod script;
mod stage;
mod table;

pub use counts::Counts;
pub use error::{Error, Result};
pub use options::Options;
pub use outcome::{FlowOutcome, MoveOutcome, Outcome, PromoteOutcome, Verdict};

use crate::terminal::{Interrupt, Progress};
use script::Script;
use std::fs;
use std::path::Path;

/// Runs the demo and writes its result: a picture to the file that the options name, and a table or JSON
/// to standard output.
///
/// # Errors
/// [`Error`]; nothing is written then.
pub fn run(options: &Options) -> Result<Verdict> {
    let interrupt = Interrupt::on_signals()?;
    let progress = Progress::on_stderr("demo");
    let recording = Script::new(options, &interrupt, &progress).play();
    progress.end();
    interrupt.check()?; // What fails after Ctrl-C fails because of it.
    let recording = recording?;
    let outcome = Outcome::new(options, &recording);
    write_picture(&options.svg, &picture::draw(&outcome, &recording))?;
    match options.json {
        true => println!("{}", outcome.to_json()),
        false => print!("{}", table::of(&outcome)),
    }
    eprintln!("picture: {}", options.svg.display());
    Ok(outcome.verdict())
}

fn write_picture(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Error::Picture(path.to_owned(), error))
}
