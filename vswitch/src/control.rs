//! The control thread: one mio loop that obeys the supervisor, speaks vhost-user with the front
//! ends, and moves the lanes. It never touches a packet.

mod fault;
mod handover;
mod host;
mod instance;
mod locked;
mod orphan;
mod phases;
mod ports;
mod rarp;
mod signals;
mod startup;
mod uplink;

use instance::Instance;
use startup::Started;
use std::os::fd::OwnedFd;
use vhost_transfer::lifeline::LifelineError;

/// Why an instance leaves other than by order.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The supervisor is gone, or is not to be trusted.
    #[error(transparent)]
    Lifeline(#[from] LifelineError),
    /// The kernel says no.
    #[error("control thread: {0}")]
    Io(#[from] std::io::Error),
    /// It could not be started.
    #[error(transparent)]
    Startup(#[from] startup::StartupError),
    /// A lane gave up.
    #[error("{0}: this instance leaves so that the other one takes over")]
    LaneFailed(&'static str),
}

/// Lives one instance's life at the end of `lifeline`, until it is told to leave.
///
/// # Errors
/// [`ControlError`]; the supervisor has been told if it is there.
pub fn run(lifeline: OwnedFd) -> Result<(), ControlError> {
    let started = Started::by(lifeline)?;
    let mut instance = Instance::new(started)?;
    match instance.run() {
        Ok(()) => {
            instance.leave_the_rest_to_the_kernel();
            Ok(())
        }
        Err(error) => {
            instance.last_words(&error);
            Err(error)
        }
    }
}
