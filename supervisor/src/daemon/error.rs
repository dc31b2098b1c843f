//! Why a daemon does not start, or cannot go on.

use crate::check::Unfit;
use crate::config::Place;
use crate::control::RuntimeDirError;
use std::io;
use std::path::PathBuf;
use steering::SteeringError;
use vhost_transfer::ledger::LedgerError;

/// Nothing is left running, and nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another supervisor runs, or there cannot be one.
    #[error(transparent)]
    RuntimeDir(#[from] RuntimeDirError),
    /// This host cannot do what the configuration asks for.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// No control socket.
    #[error("control socket {}: {error}", path.display())]
    Control {
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// A port's socket cannot be had.
    #[error("{place}: {reason}")]
    Port {
        /// The key in the configuration.
        place: Place,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// No shared memory.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The NIC cannot be steered.
    #[error("steering: {0}")]
    Steering(#[from] SteeringError),
    /// The loop itself fails.
    #[error("event loop: {0}")]
    Loop(io::Error),
}
