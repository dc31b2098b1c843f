//! When what happened, and how long it took.

use super::Daemon;
use super::phases::{later, micros, phase};
use crate::control::protocol::Phase;
use crate::policy::{self, Cause, Life, Restart, State};
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
    fn new(
        cause: Cause,
        (from, to): (InstanceId, InstanceId),
        reconnect: bool,
        phase: &'static str,
    ) -> Self {
        let now = Instant::now();
        Self {
            cause,
            from,
            to,
            reconnect,
            phases: Vec::new(),
            began: now,
            phase,
            phase_began: now,
            active: None,
        }
    }

    /// Phases that lay inside of the one that is about to end.
    fn add_inside(&mut self, inside: Vec<Phase>) {
        let begin = micros(self.phase_began - self.began);
        let inside = inside.into_iter().map(|phase| later(phase, begin));
        self.phases.extend(inside);
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
        let (at, took) = (self.phase_began - self.began, now - self.phase_began);
        self.phases.push(phase(self.phase, at, took));
        if self.phase == RELEASE || self.phase == ACTIVATE {
            self.active = Some(now);
        }
        self.phase = next;
        self.phase_began = now;
    }

    /// From the request to the new active one, or until now, µs.
    pub(super) fn total_us(&self) -> u64 {
        micros(self.active.unwrap_or_else(Instant::now) - self.began)
    }
}

const RELEASE: &str = "release";
const STEER: &str = "steer";
const ACTIVATE: &str = "devices and lanes";

fn phase_name(phase: &policy::Phase) -> &'static str {
    match phase {
        policy::Phase::Preparing => "prepare",
        policy::Phase::Quiescing { .. } => "quiesce",
        policy::Phase::Steering => STEER,
        policy::Phase::Releasing { .. } => RELEASE,
        policy::Phase::Settling { .. } => "settle",
        policy::Phase::Aborting { .. } => "abort",
    }
}

/// Of a move where there is no standby.
fn restart_phase(policy: &State, restart: &Restart) -> &'static str {
    match policy.instance(restart.to).life {
        Life::Absent => "stop",
        Life::Spawned => "exec",
        Life::Greeted => "start",
        Life::Warm | Life::Activating => ACTIVATE,
        Life::Active => STEER,
        Life::Releasing | Life::Arming | Life::Standby | Life::Disarming | Life::Leaving => "undo",
    }
}

impl Daemon {
    /// After every step of the policy.
    pub(super) fn observe(&mut self) {
        self.lives.observe(&self.policy);
        self.service.update(&self.policy);
        self.observe_move();
        self.run_due_hooks();
        for id in InstanceId::BOTH {
            self.note_first_role(id);
        }
    }

    fn observe_move(&mut self) {
        let (cause, ends, reconnect, phase) = match (self.policy.handover(), self.policy.restart())
        {
            (Some(handover), _) => (
                handover.cause.clone(),
                (handover.from, handover.to),
                handover.reconnect,
                phase_name(&handover.phase),
            ),
            (None, Some(restart)) => {
                let phase = restart_phase(&self.policy, restart);
                let cause = Cause::Asked(restart.request);
                (cause, (restart.from, restart.to), false, phase)
            }
            (None, None) => return,
        };
        let moving = self
            .moving
            .get_or_insert_with(|| Moving::new(cause, ends, reconnect, phase));
        if moving.phase == STEER && phase != STEER {
            moving.add_inside(std::mem::take(&mut self.uplink_place.phases));
        }
        moving.observe(phase);
    }
}
