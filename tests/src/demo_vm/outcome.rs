//! What the demo found.

use super::{QemuSide, Seen};
use serde::Serialize;
use vswsup::control::protocol::PromoteReport;

/// With one end of the socket after the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    sides: Vec<SideOutcome>,
}

/// With one end of the socket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideOutcome {
    /// QEMU's end.
    #[serde(rename = "qemu_is")]
    pub side: QemuSide,
    /// QEMU's version.
    #[serde(rename = "qemu_version")]
    pub qemu: String,
    /// From the start of QEMU until the guest's carrier, s.
    pub boot_s: f64,
    /// Every promote, all of which succeeded.
    pub promotes: Vec<PromoteReport>,
    /// Runs of promotes that were void and repeated, for the machine stood still.
    pub void_runs: u32,
    /// During the promotes.
    pub promoted: Seen,
    /// During a time as long as that, in which nothing was done.
    pub quiet: Seen,
    /// During a restart of the switch.
    pub restarted: Seen,
}

impl Outcome {
    pub(super) fn new(sides: Vec<SideOutcome>) -> Self {
        Self { sides }
    }

    /// One for each end.
    pub fn sides(&self) -> &[SideOutcome] {
        &self.sides
    }

    /// Nobody noticed any promote.
    pub fn unnoticed(&self) -> bool {
        self.sides.iter().all(|side| side.promoted.unnoticed())
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and text are JSON")
    }
}
