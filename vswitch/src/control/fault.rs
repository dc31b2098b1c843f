//! Faults on demand, so that tests see a handover fail in each of its phases.
//!
//! Only in a build with the feature `fault-injection`: then each line of the file that
//! `VSWITCH_FAULTS` names, such as `b prepare refuse`, is a fault of that instance.

use std::fmt;
use vhost_transfer::InstanceId;

/// Where an instance can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Mapping a device for the standby.
    Map,
    /// Before Prepare is answered.
    Prepare,
    /// After Prepare was answered.
    Prepared,
    /// Before Quiesce is answered.
    Quiesce,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Prepare => "prepare",
            Self::Prepared => "prepared",
            Self::Quiesce => "quiesce",
        })
    }
}

/// Refuses, dies or hangs here if a fault says so.
#[cfg(feature = "fault-injection")]
pub(super) fn at(instance: InstanceId, phase: Phase) -> Result<(), String> {
    let faults =
        std::env::var_os("VSWITCH_FAULTS").and_then(|path| std::fs::read_to_string(path).ok());
    let wanted = format!("{instance} {phase} ");
    let action = faults
        .as_deref()
        .and_then(|faults| faults.lines().find_map(|line| line.strip_prefix(&wanted)));
    match action {
        Some("refuse") => Err(format!(
            "instance {instance} refuses to {phase}: injected fault"
        )),
        Some("die") => std::process::abort(),
        Some("hang") => loop {
            std::thread::park();
        },
        Some(_) | None => Ok(()),
    }
}

/// There are no faults in this build.
#[cfg(not(feature = "fault-injection"))]
pub(super) fn at(_: InstanceId, _: Phase) -> Result<(), String> {
    Ok(())
}

/// Dies or hangs here if a fault says so; it is too late to refuse.
pub(super) fn after(instance: InstanceId, phase: Phase) {
    let _ = at(instance, phase);
}
