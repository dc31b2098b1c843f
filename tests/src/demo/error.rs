//! Why there is no result.

use crate::emulator;
use crate::rig::OperatorError;
use crate::terminal::Interrupted;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not be started, stopped or started again.
    #[error("{0}")]
    Rig(#[from] io::Error),
    /// The instrument cannot work.
    #[error("the instrument: {0}")]
    Instrument(#[from] emulator::Error),
    /// The supervisor refuses, or does not answer.
    #[error("{error}\nthe supervisor's log ends with:\n{log}")]
    Operator {
        /// What it said.
        error: OperatorError,
        /// The last lines of its log.
        log: String,
    },
    /// What is waited for does not come.
    #[error("{what} after {limit:?}\nthe supervisor's log ends with:\n{log}")]
    Late {
        /// What is missing.
        what: String,
        /// How long was waited.
        limit: Duration,
        /// The last lines of the supervisor's log.
        log: String,
    },
    /// The instrument stalls again and again.
    #[error(
        "{runs} measurements in a row are void ({reason}): let less run on this machine, and try again"
    )]
    TooManyVoid {
        /// So many.
        runs: usize,
        /// Why the last one is.
        reason: String,
    },
    /// Ctrl-C, or SIGTERM.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The picture cannot be written.
    #[error("{}: {}", .0.display(), .1)]
    Picture(PathBuf, io::Error),
}

impl Error {
    /// What the process should end with.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted(_) => Interrupted::EXIT_STATUS,
            Self::Rig(_)
            | Self::Instrument(_)
            | Self::Operator { .. }
            | Self::Late { .. }
            | Self::TooManyVoid { .. }
            | Self::Picture(..) => 1,
        }
    }
}

/// A result, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;
