//! The two instances by role, as processes that can be killed.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vswsup::control::protocol::{InstanceState, StatusReport};

/// An active instance and a spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The active instance's process.
    pub active: Pid,
    /// The standby's.
    pub standby: Pid,
    /// The supervisor's.
    pub supervisor: Pid,
    /// The term that runs.
    pub term: u64,
}

impl Pair {
    /// The pair of `status`, when it is whole: a standby that could take over, and a NIC that
    /// delivers to the active instance.
    pub fn of(status: &StatusReport) -> Option<Self> {
        let steered = status
            .steering
            .as_ref()
            .is_none_or(|steering| steering.current == status.active);
        let in_state = |state: InstanceState| {
            let mut found = status.instances.iter();
            let pid = found.find(|instance| instance.state == state)?.pid?;
            Some(Pid::from_raw(pid))
        };
        Some(Self {
            active: in_state(InstanceState::Active)?,
            standby: in_state(InstanceState::Standby)?,
            supervisor: Pid::from_raw(status.supervisor_pid),
            term: status.term,
        })
        .filter(|_| status.spare && steered && status.moving.is_none())
    }

    /// None of these processes belongs to it.
    pub fn is_without(&self, gone: &[Pid]) -> bool {
        ![self.active, self.standby, self.supervisor]
            .iter()
            .any(|pid| gone.contains(pid))
    }
}

/// Sends `signal`. A process that has ended meanwhile needs none.
///
/// # Errors
/// Those of kill(2).
pub(super) fn strike(process: Pid, signal: Signal) -> Result<(), Errno> {
    match kill(process, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error),
    }
}
