//! One way to replace the switch, again and again.

use super::report::{Case, OutageMs};
use super::setting::Setting;
use crate::bench::restart::under_flows;
use crate::bench::stage::Stage;
use crate::bench::toll::Toll;
use crate::bench::{Error, Result, Void};
use crate::rig::{Memory, RigConfig};
use crate::statistics::Summary;
use crate::terminal::Progress;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// Killed and started again, with hugepages taken anew.
    Cold,
    /// Stopped, and the other one started, on memory files.
    Fast,
    /// A handover to a standby that opens the device last.
    Warm,
}

impl Name {
    pub(super) const ALL: [Self; 3] = [Self::Cold, Self::Fast, Self::Warm];

    fn rig(self, setting: &Setting) -> RigConfig {
        RigConfig {
            standby: self == Self::Warm,
            memory: match self {
                Self::Cold => Memory::Hugepages(setting.memory),
                Self::Fast | Self::Warm => Memory::Files(setting.memory),
            },
            ..setting.rig()
        }
    }

    fn act(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Cold => kill_and_wait(stage),
            Self::Fast | Self::Warm => Ok(stage.operator().promote(false).map(drop)?),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cold => "cold",
            Self::Fast => "fast",
            Self::Warm => "warm",
        })
    }
}

/// Until another process serves.
fn kill_and_wait(stage: &mut Stage) -> Result<()> {
    let operator = stage.operator().clone();
    let victim = operator.serving_process();
    let victim = victim.ok_or(Error::Empty("the process that serves"))?;
    kill(Pid::from_raw(victim), Signal::SIGKILL).map_err(Error::system)?;
    stage.wait("nobody serves", || {
        let next = operator.serving_process();
        next.is_some() && next != Some(victim)
    })
}

pub(super) fn measure(name: Name, setting: &Setting, progress: &Progress) -> Result<Case> {
    let mut stage = Stage::of_kind(&setting.conditions, name.rig(setting))?;
    let (mut outages, mut sum, mut void) = (Vec::new(), Toll::default(), 0);
    while outages.len() < setting.runs {
        let (outage_us, toll, reason) = under_flows(&mut stage, |stage| name.act(stage))?;
        if let Some(reason) = reason {
            progress.note(&format!("{name}: void, repeated: {reason}"));
            void += 1;
            Void::check(void, Void::limit(setting.runs))?;
            continue;
        }
        outages.push(outage_us / 1e3);
        let (done, wanted) = (outages.len() as u32, setting.runs as u32);
        progress.count(&format!("{name}:"), done, wanted);
        sum.add(&toll);
    }
    let summary = Summary::of(&outages).ok_or(Error::Empty("an outage"))?;
    Ok(Case {
        name,
        uplink: setting.uplink.clone(),
        memory_mib: setting.memory,
        rate: setting.conditions.rate,
        emulated: setting.emulated,
        outage_ms: OutageMs {
            median: summary.median,
            max: summary.max,
        },
        runs: outages.len(),
        outages_ms: outages,
        counts: sum.total(),
        disconnects: sum.disconnects,
        void,
    })
}
