//! The ways to die.

use crate::failover::{Bound, Pair, Result, Stage};
use clap::ValueEnum;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::thread;
use std::time::Duration;

/// A promote takes about so long; a death comes somewhere in it, or just behind it.
const IN_A_PROMOTE: Duration = Duration::from_millis(5);
/// Between the deaths of both instances.
const BETWEEN_TWO: Duration = Duration::from_millis(2);
/// For how long there is no supervisor.
const WITHOUT_SUPERVISOR: Duration = Duration::from_millis(300);

/// Who dies, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The active instance, by SIGKILL.
    Sigkill,
    /// The active instance, by SIGSEGV.
    Sigsegv,
    /// The active instance, by SIGABRT.
    Sigabrt,
    /// The active instance, by SIGBUS.
    Sigbus,
    /// The active instance, by SIGILL.
    Sigill,
    /// The active instance, by SIGTERM.
    Sigterm,
    /// The standby.
    Standby,
    /// Either one, in the middle of a promote.
    Promote,
    /// Both within 2 ms: only the vault has the devices then.
    Double,
    /// The active instance hangs: SIGSTOP.
    Hang,
    /// The supervisor, and another one comes.
    Supervisor,
    /// The supervisor, and then the active instance while there is none.
    Orphan,
}

impl Kind {
    /// Processes that die.
    pub fn deaths(self) -> u32 {
        match self {
            Self::Double | Self::Orphan => 2,
            Self::Sigkill
            | Self::Sigsegv
            | Self::Sigabrt
            | Self::Sigbus
            | Self::Sigill
            | Self::Sigterm
            | Self::Standby
            | Self::Promote
            | Self::Hang
            | Self::Supervisor => 1,
        }
    }

    /// What it may cost.
    pub fn bound(self) -> Bound {
        match self {
            Self::Standby | Self::Supervisor => Bound::nothing(),
            Self::Promote => Bound::in_a_promote(),
            Self::Double => Bound::owners(2),
            Self::Sigkill
            | Self::Sigsegv
            | Self::Sigabrt
            | Self::Sigbus
            | Self::Sigill
            | Self::Sigterm
            | Self::Hang
            | Self::Orphan => Bound::owners(1),
        }
    }

    /// Lets it happen; who is no more.
    pub(super) fn strike(
        self,
        stage: &mut Stage,
        pair: Pair,
        chance: &mut fastrand::Rng,
    ) -> Result<Vec<Pid>> {
        match self {
            Self::Sigkill => one(stage, pair.active, Signal::SIGKILL),
            Self::Sigsegv => one(stage, pair.active, Signal::SIGSEGV),
            Self::Sigabrt => one(stage, pair.active, Signal::SIGABRT),
            Self::Sigbus => one(stage, pair.active, Signal::SIGBUS),
            Self::Sigill => one(stage, pair.active, Signal::SIGILL),
            Self::Sigterm => one(stage, pair.active, Signal::SIGTERM),
            Self::Hang => one(stage, pair.active, Signal::SIGSTOP),
            Self::Standby => one(stage, pair.standby, Signal::SIGKILL),
            Self::Promote => in_a_promote(stage, pair, chance),
            Self::Double => both(stage, pair, chance),
            Self::Supervisor => {
                stage.rig_mut().supervisor_mut().kill()?;
                without_supervisor(stage, chance)?;
                Ok(vec![pair.supervisor])
            }
            Self::Orphan => {
                stage.rig_mut().supervisor_mut().kill()?;
                thread::sleep(WITHOUT_SUPERVISOR.mul_f64(chance.f64()));
                stage.kill(pair.active, Signal::SIGKILL)?;
                without_supervisor(stage, chance)?;
                Ok(vec![pair.supervisor, pair.active])
            }
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

fn one(stage: &Stage, process: Pid, signal: Signal) -> Result<Vec<Pid>> {
    stage.kill(process, signal)?;
    Ok(vec![process])
}

/// The promote itself may succeed or not: who asked for it gets an answer either way.
fn in_a_promote(stage: &Stage, pair: Pair, chance: &mut fastrand::Rng) -> Result<Vec<Pid>> {
    let delay = IN_A_PROMOTE.mul_f64(chance.f64());
    let process = either(pair, chance)[0];
    let operator = stage.operator().clone();
    let promote = thread::spawn(move || operator.promote(false).map(drop));
    thread::sleep(delay);
    stage.kill(process, Signal::SIGKILL)?;
    let _either_way = promote.join();
    Ok(vec![process])
}

fn both(stage: &Stage, pair: Pair, chance: &mut fastrand::Rng) -> Result<Vec<Pid>> {
    let order = either(pair, chance);
    stage.kill(order[0], Signal::SIGKILL)?;
    thread::sleep(BETWEEN_TWO.mul_f64(chance.f64()));
    stage.kill(order[1], Signal::SIGKILL)?;
    Ok(order.to_vec())
}

fn either(pair: Pair, chance: &mut fastrand::Rng) -> [Pid; 2] {
    let mut order = [pair.active, pair.standby];
    chance.shuffle(&mut order);
    order
}

fn without_supervisor(stage: &mut Stage, chance: &mut fastrand::Rng) -> Result<()> {
    thread::sleep(WITHOUT_SUPERVISOR.mul_f64(chance.f64()));
    Ok(stage.rig_mut().supervisor_mut().start_again()?)
}
