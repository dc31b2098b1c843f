//! The binary: see the library's `demo`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::demo::{self, Options};

fn main() -> ExitCode {
    match demo::run(&Options::parse()) {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
