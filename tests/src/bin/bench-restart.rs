//! The binary: see the library's `bench_restart`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::bench_restart::{self, Options};

fn main() -> ExitCode {
    match bench_restart::run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-restart: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
