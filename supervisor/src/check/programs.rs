//! The instances' programs, and the hooks'.

use super::finding::{Findings, Outcome, problem};
use nix::unistd::{AccessFlags, access};
use std::path::Path;
use vhost_transfer::InstanceId;

pub(super) fn check(findings: &mut Findings<'_>) {
    let config = findings.config;
    findings.add("vswitch.program", executable(&config.vswitch.program));
    for instance in InstanceId::BOTH {
        if let Some(program) = &config.instances.of(instance).program {
            findings.add(&format!("instance.{instance}.program"), executable(program));
        }
    }
    let hooks = &config.hooks;
    for (key, command) in [
        ("hooks.pre_start", &hooks.pre_start),
        ("hooks.post_stop", &hooks.post_stop),
    ] {
        if let Some(program) = command.first() {
            findings.add(key, executable(Path::new(program)));
        }
    }
}

/// For a key that names a program.
pub(super) fn executable(program: &Path) -> Outcome {
    let shown = program.display();
    if !program.exists() {
        return problem(
            format!("there is no program {shown}"),
            "install it, or correct the path",
        );
    }
    if !program.is_file() || access(program, AccessFlags::X_OK).is_err() {
        return problem(
            format!("{shown} cannot be executed"),
            format!("name a program, or make it one: `chmod +x {shown}`"),
        );
    }
    Ok(format!("{shown} can be executed"))
}
