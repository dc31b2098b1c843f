//! Why there is no result.

use crate::emulator;
use crate::rig::OperatorError;
use crate::terminal::Interrupted;
use nix::errno::Errno;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system under test could not be started, or something of it could not be read.
    #[error(transparent)]
    Rig(#[from] io::Error),
    /// The instrument cannot work.
    #[error("the instrument: {0}")]
    Instrument(#[from] emulator::Error),
    /// The supervisor does not do what it is asked for.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// What is waited for does not come.
    #[error("{missing} after {limit:?}; the supervisor said:\n{log}")]
    Late {
        /// What is missing.
        missing: &'static str,
        /// How long was waited.
        limit: Duration,
        /// What the supervisor and the instances wrote.
        log: String,
    },
    /// Instrument and switch would take turns.
    #[error("this needs two CPUs: one for the instrument, and one for what it measures")]
    OneCpu,
    /// The instrument fails again and again.
    #[error(
        "{0} measurements are void, because the instrument did not run when it should: let nothing \
         else run on this machine, and measure again"
    )]
    TooManyVoid(usize),
    /// Ctrl-C, or SIGTERM.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A measurement gave no value.
    #[error("not one value for {0}")]
    Empty(&'static str),
    /// What runs in a machine of its own fails there.
    #[error("in the machine: {0}")]
    Machine(String),
    /// The result cannot be written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
}

impl Error {
    /// What the process should end with.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted(_) => Interrupted::EXIT_STATUS,
            Self::Rig(_)
            | Self::Instrument(_)
            | Self::Operator(_)
            | Self::Late { .. }
            | Self::OneCpu
            | Self::TooManyVoid(_)
            | Self::Empty(_)
            | Self::Machine(_)
            | Self::File(..) => 1,
        }
    }

    /// The kernel says no.
    pub(crate) fn system(errno: Errno) -> Self {
        Self::Rig(errno.into())
    }
}

/// A result, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;
