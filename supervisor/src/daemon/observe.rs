//! When what happened, and how long it took.

use super::Daemon;
use crate::control::protocol::Phase;
use crate::policy::{self, Cause, Handover, Life, State};
use std::time::{Instant, SystemTime};
use vhost_transfer::InstanceId;

/// Since when each instance is what it is.
#[derive(Debug)]
pub(super) struct Lives {
    lives: [Life; 2],
    since: [SystemTime; 2],
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            lives: [Life::Absent; 2],
            since: [SystemTime::now(); 2],
        }
    }
}

impl Lives {
    fn observe(&mut self, policy: &State) {
        for id in InstanceId::BOTH {
            let life = policy.instance(id).life;
            if self.lives[id as usize] != life {
                self.lives[id as usize] = life;
                self.since[id as usize] = SystemTime::now();
            }
        }
    }

    pub(super) fn since(&self, id: InstanceId) -> SystemTime {
        self.since[id as usize]
    }
}

/// The clock of a handover under way.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) cause: Cause,
    pub(super) from: InstanceId,
    pub(super) to: InstanceId,
    pub(super) reconnect: bool,
    /// What took how long, in order; complete when it has [`Self::ended`].
    pub(super) phases: Vec<Phase>,
    began: Instant,
    phase: &'static str,
    phase_began: Instant,
    /// When the new one was active.
    active: Option<Instant>,
}

impl Moving {
    fn new(handover: &Handover) -> Self {
        let now = Instant::now();
        Self {
            cause: handover.cause.clone(),
            from: handover.from,
            to: handover.to,
            reconnect: handover.reconnect,
            phases: Vec::new(),
            began: now,
            phase: phase_name(&handover.phase),
            phase_began: now,
            active: None,
        }
    }

    fn observe(&mut self, phase: &'static str) {
        if self.phase != phase {
            self.end_phase(phase);
        }
    }

    /// The last phase is over.
    pub(super) fn ended(mut self) -> Self {
        self.end_phase("");
        self
    }

    fn end_phase(&mut self, next: &'static str) {
        let now = Instant::now();
        let us = micros(self.phase_began, now);
        let name = self.phase.to_owned();
        self.phases.push(Phase { name, us });
        if self.phase == RELEASE {
            self.active = Some(now);
        }
        self.phase = next;
        self.phase_began = now;
    }

    /// From the request to the new active one, or until now, µs.
    pub(super) fn total_us(&self) -> u64 {
        micros(self.began, self.active.unwrap_or_else(Instant::now))
    }
}

const RELEASE: &str = "release";

fn phase_name(phase: &policy::Phase) -> &'static str {
    match phase {
        policy::Phase::Preparing => "prepare",
        policy::Phase::Quiescing { .. } => "quiesce",
        policy::Phase::Steering => "steer",
        policy::Phase::Releasing { .. } => RELEASE,
        policy::Phase::Settling { .. } => "settle",
        policy::Phase::Aborting { .. } => "abort",
    }
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX)
}

impl Daemon {
    /// After every step of the policy.
    pub(super) fn observe(&mut self) {
        self.lives.observe(&self.policy);
        self.service.update(&self.policy);
        if let Some(handover) = self.policy.handover() {
            self.moving
                .get_or_insert_with(|| Moving::new(handover))
                .observe(phase_name(&handover.phase));
        }
    }
}
