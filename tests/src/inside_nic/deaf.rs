//! Uplinks that go deaf: one of them, or both by a reset of the NIC's port.

use super::act::time_to_steer;
use super::{Done, Nic};
use crate::failover::{Bound, Error, Observed, Result, Stage};
use crate::real_nic::{Mishap, RealNic};
use std::io;
use std::thread::sleep;
use std::time::Duration;
use vhost_transfer::InstanceId;
use vswsup::control::protocol::{HistoryEntry, MoveKind, Outcome};

/// How long the PF is down.
const DOWN: Duration = Duration::from_secs(1);

/// The NIC gives the active instance nothing any more. Traffic moves by itself, and the old instance is
/// started again.
pub(super) fn deafen(stage: &mut Stage, nic: Nic, real: &RealNic) -> Result<Done> {
    let active = stage.operator().status()?.active.unwrap_or(InstanceId::A);
    let mishap = &real.deafness[active as usize];
    let before = escapes(stage)?.len();
    let observed = stage.observe(|stage, pair| {
        mishap.begin()?;
        await_escape(stage, before)?;
        mishap.end()?;
        Ok(vec![pair.active])
    })?;
    done(stage, nic, observed)
}

/// The PF is down and up again, after which no VF hears. One after the other is started again.
pub(super) fn reset(stage: &mut Stage, nic: Nic, reset: &Mishap) -> Result<Done> {
    let before = escapes(stage)?.len();
    let observed = stage.observe(|stage, pair| {
        reset.begin()?;
        stage.wait_for("word that the PF is down", |stage| {
            let trouble = stage.operator().status()?.trouble;
            Ok(trouble
                .iter()
                .any(|line| line.contains("is down: `ip link")))
        })?;
        sleep(DOWN);
        reset.end()?;
        await_escape(stage, before)?;
        Ok(vec![pair.active, pair.standby])
    })?;
    done(stage, nic, observed)
}

/// Handovers that nobody asked for.
fn escapes(stage: &Stage) -> Result<Vec<HistoryEntry>> {
    let mut history = stage.operator().history()?;
    history.retain(|entry| entry.kind == MoveKind::Escape);
    Ok(history)
}

fn await_escape(stage: &Stage, before: usize) -> Result<()> {
    stage.wait_for("move away from a deaf uplink", |stage| {
        Ok(escapes(stage)?.len() > before)
    })
}

fn done(stage: &Stage, nic: Nic, observed: Observed) -> Result<Done> {
    let escape = told_escape(stage)?;
    let steering = time_to_steer(&escape.phases);
    Ok(Done {
        bound: Bound {
            in_nic: nic.transmit_queue(),
            ..Bound::deaf(nic.twice(steering))
        },
        observed,
        freeze_us: escape.freeze_us,
    })
}

/// The last one, which was done for an uplink that was deaf.
fn told_escape(stage: &Stage) -> Result<HistoryEntry> {
    match escapes(stage)?.pop() {
        Some(escape) if escape.outcome == Outcome::Done && escape.cause.contains("is deaf: ") => {
            Ok(escape)
        }
        other => {
            let told = format!("the history tells of it as {other:?}");
            Err(Error::Rig(io::Error::other(told)))
        }
    }
}
