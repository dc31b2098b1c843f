//! The binary: see the library's `demo_vm`.

use clap::Parser;
use std::process::ExitCode;
use vswsup_tests::demo_vm::{self, Options};

fn main() -> ExitCode {
    match demo_vm::run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo-vm: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
