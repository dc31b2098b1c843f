//! The binary: see the library's `bench`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::bench::{self, Options};

fn main() -> ExitCode {
    match bench::run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-promote: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
