//! What is done to the system.

use super::{Done, Nic, deaf};
use crate::failover::{Bound, Error, Result, Stage};
use crate::real_nic::RealNic;
use nix::sys::signal::Signal;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::time::Duration;
use vswsup::control::protocol::{Phase, PromoteReport};

/// One move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The standby is promoted.
    Promote,
    /// The active instance gets SIGKILL.
    Kill,
    /// The NIC gives the active instance nothing any more.
    Deafen,
    /// The NIC's port is down and up again.
    Reset,
}

impl Act {
    /// In the order in which they are done.
    pub const ALL: [Self; 4] = [Self::Promote, Self::Kill, Self::Deafen, Self::Reset];

    /// More than one of it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Promote => "promotes",
            Self::Kill => "kills",
            Self::Deafen => "deaf uplinks",
            Self::Reset => "PF resets",
        }
    }

    pub(super) fn perform(self, stage: &mut Stage, nic: Nic, real: &RealNic) -> Result<Done> {
        match (self, &real.reset) {
            (Self::Promote, _) => promote(stage, nic),
            (Self::Kill, _) => kill(stage, nic),
            (Self::Deafen, _) => deaf::deafen(stage, nic, real),
            (Self::Reset, Some(reset)) => deaf::reset(stage, nic, reset),
            (Self::Reset, None) => Err(no_port(nic)),
        }
    }
}

impl Display for Act {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "promote",
            Self::Kill => "kill",
            Self::Deafen => "deaf uplink",
            Self::Reset => "PF reset",
        })
    }
}

fn no_port(nic: Nic) -> Error {
    let text = format!("{nic} has no PF to set down");
    Error::Rig(io::Error::other(text))
}

fn promote(stage: &mut Stage, nic: Nic) -> Result<Done> {
    let mut report: Option<PromoteReport> = None;
    let observed = stage.observe(|stage, _| {
        report = Some(stage.operator().promote(false)?);
        Ok(vec![])
    })?;
    let steering = report
        .as_ref()
        .map_or(Duration::ZERO, |report| time_to_steer(&report.phases));
    Ok(Done {
        bound: Bound::promote(nic.twice(steering)),
        observed,
        freeze_us: report.and_then(|report| report.freeze_us),
    })
}

/// The phase of a move in which the NIC is steered.
pub(super) fn time_to_steer(phases: &[Phase]) -> Duration {
    let steer = phases.iter().find(|phase| phase.name == "steer");
    Duration::from_micros(steer.map_or(0, |phase| phase.us))
}

fn kill(stage: &mut Stage, nic: Nic) -> Result<Done> {
    let observed = stage.observe(|stage, pair| {
        stage.kill(pair.active, Signal::SIGKILL)?;
        Ok(vec![pair.active])
    })?;
    Ok(Done {
        observed,
        bound: Bound {
            in_nic: nic.transmit_queue(),
            ..Bound::owners(1)
        },
        freeze_us: None,
    })
}
