//! Why a daemon does not start, or cannot go on.

use crate::check::Unfit;
use crate::config::Place;
use crate::control::RuntimeDirError;
use crate::memory_files::MemoryFileError;
use crate::pci::PciError;
use std::io;
use std::path::PathBuf;
use steering::SteeringError;
use vhost_transfer::ledger::LedgerError;

/// Nothing that it started is left running or left behind. A pair that ran before goes on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another supervisor runs, or there cannot be one.
    #[error(transparent)]
    RuntimeDir(#[from] RuntimeDirError),
    /// This host cannot do what the configuration asks for.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// There is no memory for the instances.
    #[error(transparent)]
    Memory(#[from] MemoryFileError),
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
    /// An instance that a supervisor before this one left cannot be understood.
    #[error(
        "the instances that run are left alone, and go on without a supervisor: {0}; correct that \
         (a supervisor of their own version understands them), and start again"
    )]
    Adopt(String),
    /// An instance that has to go does not: the number of its process.
    #[error(
        "process {0} was killed and is still there; nobody can take its place while its lanes may \
         run: see /proc/{0}/stack for what holds it in the kernel, and start again when it is gone; \
         if it never goes, restart the host"
    )]
    Unfenced(i32),
    /// The pair that runs has another number of lanes.
    #[error(
        "{place}: {configured} lanes, and the instances that run have {running}; they go on without \
         a supervisor: put the old number back, or end both instances, and start again"
    )]
    Lanes {
        /// The key in the configuration.
        place: Place,
        /// By the ledger.
        running: usize,
        /// By the configuration.
        configured: usize,
    },
    /// No shared memory.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The uplinks' devices cannot be had.
    #[error("{place}: {error}")]
    Uplink {
        /// The key in the configuration.
        place: Place,
        /// What is wrong, and what to do.
        error: Box<PciError>,
    },
    /// The NIC cannot be steered.
    #[error("steering: {0}")]
    Steering(#[from] SteeringError),
    /// The loop itself fails.
    #[error("event loop: {0}")]
    Loop(io::Error),
}
