//! Runs a command inside a machine with NICs: see the library's `nic_machine`.

use clap::Parser;
use std::ffi::OsString;
use std::io::{Write, stdout};
use std::process::{Command, ExitCode};
use std::time::Duration;
use vswsup_tests::nic_machine::NicMachine;
use vswsup_tests::terminal::Interrupt;

/// Boots a machine with an SR-IOV NIC and two virtio-net devices behind an IOMMU, runs a command inside,
/// and ends with its status. What the host has is there, programs and files, and none of it is changed.
#[derive(Debug, Parser)]
#[command(name = "nic-machine", version)]
struct Options {
    /// Seconds after which the command is killed.
    #[arg(long, default_value_t = 600)]
    limit: u64,
    /// The command, with absolute paths.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("nic-machine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<u8, Box<dyn std::error::Error>> {
    let mut machine = NicMachine::boot(&Interrupt::on_signals()?)?;
    let mut command = Command::new(&options.command[0]);
    command.args(&options.command[1..]);
    let outcome = machine.run(&command, Duration::from_secs(options.limit), &mut |text| {
        let _ = stdout().write_all(text.as_bytes()); // nobody is told when nobody can be told
    })?;
    Ok(outcome.status.clamp(0, 255) as u8)
}
