//! Turns readiness into events and actions into system calls.

use crate::check::{self, Unfit};
use crate::control::{RuntimeDir, RuntimeDirError};
use crate::{Config, ExitStatus};

/// Why the daemon could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another supervisor runs, or there is no place to run in.
    #[error(transparent)]
    RuntimeDir(#[from] RuntimeDirError),
    /// The host lacks something.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The event loop is not part of this build.
    #[error("this build of vswsup has no event loop: use a newer one")]
    NoLoop,
}

/// Starts both instances and looks after them.
///
/// # Errors
/// [`DaemonError`].
pub fn run(config: Config) -> Result<ExitStatus, DaemonError> {
    let _directory = RuntimeDir::claim(&config.supervisor.runtime_dir)?;
    check::require(&config)?;
    Err(DaemonError::NoLoop)
}
