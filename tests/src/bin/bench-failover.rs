//! The binary: see the library's `bench_failover`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::bench_failover::{self, Options};

fn main() -> ExitCode {
    match bench_failover::run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-failover: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
