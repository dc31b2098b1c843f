//! Faults on demand, so that tests see an instance fail wherever it can.
//!
//! Only in a build with the feature `fault-injection`: then each line of the file that
//! `VSWITCH_FAULTS` names is a fault of the instance that it begins with, `*` for whichever owns the
//! lanes:
//!
//! | line | when | what |
//! | --- | --- | --- |
//! | `b prepare refuse` | in a [`Phase`] of a handover | `refuse`, `die`, `hang` |
//! | `* message peeked SET_MEM_TABLE die` | after a [`Step`] of that message, or of `any` | an [`Action`] |
//! | `* lane loop` | a lane, at its next round | an [`Action`] |
//! | `* control loop` | the control thread, at its next round | an [`Action`] |
//! | `* poison vm1` | whenever a lane is to poll that port | it dies by SIGSEGV |
//!
//! Faults of a message, a lane and the control thread happen once: who acts on a line removes it
//! before. A line of a message that ends with `always` stays.
//!
//! If there is a file with the same name and the extension `steps`, each step of each message is
//! appended to it, a line such as `SET_MEM_TABLE peeked`, before the fault.

#[cfg(feature = "fault-injection")]
mod injected;

#[cfg(feature = "fault-injection")]
pub(super) use injected::{at, at_message, at_tick};

use std::fmt;

/// Where a handover can fail.
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
    /// Opening the uplink by order.
    Open,
    /// After the supervisor was told that the lanes run.
    Began,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Prepare => "prepare",
            Self::Prepared => "prepared",
            Self::Quiesce => "quiesce",
            Self::Open => "open",
            Self::Began => "began",
        })
    }
}

/// There are no faults in this build.
#[cfg(not(feature = "fault-injection"))]
mod absent {
    use super::super::instance::Instance;
    use super::Phase;
    use crate::port::Step;
    use vhost_transfer::InstanceId;

    pub(in super::super) fn at(_: InstanceId, _: Phase) -> Result<(), String> {
        Ok(())
    }

    pub(in super::super) fn at_message(_: InstanceId, _: Step, _: u32) {}

    pub(in super::super) fn at_tick(_: &Instance) {}
}

#[cfg(not(feature = "fault-injection"))]
pub(super) use absent::{at, at_message, at_tick};

/// Dies or hangs here if a fault says so; it is too late to refuse.
pub(super) fn after(instance: vhost_transfer::InstanceId, phase: Phase) {
    let _ = at(instance, phase);
}
