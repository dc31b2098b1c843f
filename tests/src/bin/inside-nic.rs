//! The binary: see the library's `inside_nic`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::inside_nic::{self, Options};
use vswsup_tests::terminal::{Interrupt, Interrupted, Progress};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("inside-nic: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let interrupt = Interrupt::on_signals()?;
    let outcome = inside_nic::run(options, &interrupt, &Progress::on_stderr("inside-nic"))?;
    println!("{outcome}");
    Ok(match (outcome.is_well(), interrupt.raised()) {
        (_, true) => ExitCode::from(Interrupted::EXIT_STATUS),
        (true, false) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}
