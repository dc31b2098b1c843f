//! Why a death cannot be observed.

use crate::emulator;
use crate::rig::OperatorError;
use nix::errno::Errno;
use std::io;
use std::time::Duration;

/// Why a death cannot be observed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system under test could not be started, or something of it could not be read.
    #[error(transparent)]
    Rig(#[from] io::Error),
    /// The instrument cannot work.
    #[error("the instrument: {0}")]
    Instrument(#[from] emulator::Error),
    /// The supervisor does not answer.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// The system has not recovered.
    #[error("{missing} after {limit:?}; the supervisor said:\n{log}")]
    Stuck {
        /// What is missing.
        missing: String,
        /// How long was waited.
        limit: Duration,
        /// The end of the log of supervisor and instances.
        log: String,
    },
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Rig(errno.into())
    }
}

/// A result, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;
