//! Phases: what of something took how long, and when it began.

use crate::control::protocol::Phase;
use std::time::Duration;
use vhost_transfer::message;

/// Phases that are taken of what an instance tells at once: more than there are, and not as many as a
/// message holds.
pub(super) const MOST_TOLD: usize = 32;

/// One that began so long after the begin of all.
pub(super) fn phase(name: &str, at: Duration, took: Duration) -> Phase {
    Phase {
        name: name.to_owned(),
        us: micros(took),
        at_us: Some(micros(at)),
    }
}

/// Those that an instance tells of something that began `begin` µs after the begin of all.
pub(super) fn told(phases: &[message::Phase], begin: u64) -> impl Iterator<Item = Phase> {
    let phases = phases.iter().take(MOST_TOLD).map(|told| Phase {
        name: told.name.clone(),
        us: told.us,
        at_us: told.at_us,
    });
    phases.map(move |phase| later(phase, begin))
}

/// As a part of something larger, in which it begins `by` µs later.
pub(super) fn later(phase: Phase, by: u64) -> Phase {
    let at_us = phase.at_us.map(|at| at.saturating_add(by));
    Phase { at_us, ..phase }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
