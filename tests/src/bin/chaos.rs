//! The binary: see the library's `chaos`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::chaos::{self, Options};
use vswsup_tests::terminal::{Interrupt, Interrupted, Progress};

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let interrupt = Interrupt::on_signals()?;
    let outcome = chaos::run(options, &interrupt, &Progress::on_stderr("chaos"))?;
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&outcome)?),
        false => println!("{outcome}"),
    }
    Ok(match (outcome.is_well(), interrupt.raised()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::from(Interrupted::EXIT_STATUS),
        (true, false) => ExitCode::SUCCESS,
    })
}
