//! How a command ends.

use std::process::{ExitCode, Termination};

/// Exit status of every verb. Scripts rely on the numbers: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done, or yes.
    Done,
    /// 1: refused or failed, and traffic is unaffected.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: no supervisor runs, or the answer is no.
    No,
    /// 4: there is no port or device of that name.
    Unknown,
    /// 5: failed, and traffic was affected or the switch is worse off than before.
    Degraded,
}

impl ExitStatus {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::No => 3,
            Self::Unknown => 4,
            Self::Degraded => 5,
        }
    }
}

impl Termination for ExitStatus {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
