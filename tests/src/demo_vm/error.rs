//! Why there is no result.

use crate::guest_vm::GuestVmError;
use crate::terminal::Interrupted;
use std::io;
use std::time::Duration;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not be started, stopped or started again.
    #[error("{0}")]
    Rig(#[from] io::Error),
    /// QEMU or its guest does not do what it should.
    #[error("{0}")]
    Guest(#[from] GuestVmError),
    /// A promote failed.
    #[error("promote: {said}\nthe log of the switch:\n{log}")]
    Promote {
        /// What the command line said.
        said: String,
        /// What the supervisor and the instances wrote.
        log: String,
    },
    /// Something did not come in time.
    #[error("{what} did not come within {limit:?}; the log of the switch:\n{log}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
        /// What the supervisor and the instances wrote.
        log: String,
    },
    /// The machine stalls again and again.
    #[error(
        "{0} runs in a row are void, for the machine stood still: let less run on it, and try again"
    )]
    TooManyVoid(u32),
    /// Ctrl-C, or SIGTERM.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// What the process should end with.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted(_) => Interrupted::EXIT_STATUS,
            Self::Rig(_)
            | Self::Guest(_)
            | Self::Promote { .. }
            | Self::Late { .. }
            | Self::TooManyVoid(_) => 1,
        }
    }
}

/// A result, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;
