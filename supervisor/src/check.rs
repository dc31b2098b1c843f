//! Whether this host can do what the configuration asks for. The daemon asks the same before it
//! starts anything, so that a missing device or page is one clear message and not a dead instance.

mod cpus;
mod device;
mod finding;
mod functions;
mod host;
mod limits;
mod memory;
mod memory_files;
mod methods;
mod privileges;
mod programs;
mod sockets;
mod steering;
mod uplinks;

pub(crate) use device::{Device, netdev_exists};
pub use finding::{Finding, Unfit, Verdict};
pub use limits::raise_open_files;

use crate::config::Config;
use finding::Findings;

/// Checks all that a supervisor needs that is about to start, in the network namespace of the
/// calling thread, and says what this host can do. Changes nothing and disturbs nobody.
pub fn run(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::new(config);
    starting(&mut findings);
    host::describe(&mut findings);
    findings.list
}

fn starting(findings: &mut Findings<'_>) {
    lasting(findings);
    memory::check(findings);
    sockets::check(findings);
    functions::check_free(findings);
}

/// As [`run`], but for what a supervisor that runs with this configuration has taken already:
/// memory, sockets and devices.
pub fn run_beside_supervisor(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::new(config);
    lasting(&mut findings);
    host::describe(&mut findings);
    findings.list
}

/// As [`run`], for a daemon: nothing is to be started when there is any problem.
///
/// # Errors
/// [`Unfit`], which names every problem.
pub fn require(config: &Config) -> Result<(), Unfit> {
    let mut findings = Findings::new(config);
    starting(&mut findings);
    let problems: Vec<_> = findings
        .list
        .into_iter()
        .filter(Finding::is_problem)
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Unfit { problems })
    }
}

fn lasting(findings: &mut Findings<'_>) {
    privileges::check(findings);
    limits::check(findings);
    programs::check(findings);
    cpus::check(findings);
    uplinks::check(findings);
    steering::check(findings);
}
