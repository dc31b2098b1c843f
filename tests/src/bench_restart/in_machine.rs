//! The same on one VF, in a machine that has an SR-IOV NIC.

use super::options::Options;
use super::report::{Case, Report};
use crate::bench::{Error, Result};
use crate::nic_machine::NicMachine;
use crate::terminal::{Interrupt, Progress};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// In the machine, the folder that is [`NicMachine::share`].
const RESULT: &str = "/run/share/restart.json";
/// What all of it may take on a busy host.
const LIMIT: Duration = Duration::from_secs(3600);

/// Boots the machine, and has this program measure in it.
pub(super) fn measure(
    options: &Options,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Vec<Case>> {
    let failed = |error: &dyn ToString| Error::Machine(error.to_string());
    let program = std::env::current_exe().map_err(Error::Rig)?;
    let mut command = Command::new(program);
    command.args(["--vf", "--output", RESULT]);
    for (option, value) in [
        ("--runs", options.rig_runs.map(u64::from)),
        ("--memory", options.rig_memory),
    ] {
        command.args(
            value
                .into_iter()
                .flat_map(|n| [option.to_owned(), n.to_string()]),
        );
    }
    progress.note("a machine with an SR-IOV NIC boots");
    let mut machine = NicMachine::boot(interrupt).map_err(|error| failed(&error))?;
    let outcome = machine.run(&command, LIMIT, &mut |text| eprint!("{text}"));
    let outcome = outcome.map_err(|error| failed(&error))?;
    if outcome.status != 0 {
        return Err(failed(&format!("status {}", outcome.status)));
    }
    let file = machine.share().join("restart.json");
    let text = fs::read(&file).map_err(|error| Error::File(file.clone(), error))?;
    let report: Report =
        serde_json::from_slice(&text).map_err(|error| Error::File(file, error.into()))?;
    Ok(report.cases)
}
