//! Why there is no result.

use crate::emulator;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use vswsup::control::ClientError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system under test could not be started, or something of it could not be read.
    #[error("{0}")]
    Rig(#[from] io::Error),
    /// The instrument cannot work.
    #[error("the instrument: {0}")]
    Instrument(#[from] emulator::Error),
    /// The supervisor does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It answers something that the benchmark cannot go on with.
    #[error("the supervisor was asked to {asked} and answered: {answered}")]
    Answer {
        /// What it was to do.
        asked: &'static str,
        /// What it said.
        answered: String,
    },
    /// What is waited for does not come.
    #[error("{what} after {limit:?}")]
    Late {
        /// What is missing.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The instrument stalls again and again.
    #[error(
        "{void} windows are void because the instrument stalled for more than {limit:?}: let \
         nothing else run on this machine, and measure again"
    )]
    TooManyVoid {
        /// So many.
        void: usize,
        /// What a stall may last.
        limit: Duration,
    },
    /// A measurement gave no value.
    #[error("not one value for {0}")]
    Empty(&'static str),
    /// The result cannot be written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
}

/// A result, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;
