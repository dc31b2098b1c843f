//! Which timers run: a function of the state, so that none is forgotten.

use super::{Action, Life, Limits, Phase, State};
use std::collections::BTreeMap;
use std::time::Duration;
use vhost_transfer::{InstanceId, PortId};

/// What can take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// An instance starts, or maps the devices that it missed.
    Start(InstanceId),
    /// An instance has to take the lanes, or to wait for their locks.
    Settle(InstanceId),
    /// An instance has to be gone.
    Leave(InstanceId),
    /// An instance may be started again.
    Respawn(InstanceId),
    /// An instance has to stay ready, so that its earlier deaths no longer count.
    Calm(InstanceId),
    /// An instance has died over this port.
    Poison(PortId),
    /// Nobody has the lanes, and the standby has to notice by itself.
    Takeover,
    /// A front end waits until the standby has mapped its device.
    Mapped(PortId),
    /// The standby prepares.
    Prepare,
    /// The active one quiesces.
    Quiesce,
    /// The lanes change hands.
    Release,
    /// An abort is to be answered.
    Abort,
    /// Steering may be tried again.
    Steer,
}

impl Timer {
    /// What it means that this timer ran out.
    pub(super) fn reason(self, limits: &Limits) -> String {
        let (what, limit) = match self {
            Self::Start(_) => ("was not warm with all devices mapped", limits.start),
            Self::Settle(_) => ("did not settle in its role", limits.settle),
            Self::Leave(_) => ("did not leave", limits.stop),
            Self::Respawn(_) => ("can start again", Duration::ZERO),
            Self::Calm(_) => ("was calm", limits.restart_calm),
            Self::Poison(_) => ("was not blamed again", limits.poison),
            Self::Takeover => ("did not take over", limits.settle),
            Self::Mapped(_) => ("did not map a device", limits.mapped),
            Self::Prepare => ("was not prepared", limits.prepare),
            Self::Quiesce => ("was not quiesced", limits.quiesce),
            Self::Release => ("the lanes did not change hands", limits.release),
            Self::Abort => ("did not confirm the abort", limits.abort),
            Self::Steer => ("can steer again", limits.steer_retry),
        };
        format!("{what} within {limit:?}")
    }
}

impl State {
    /// The timers that run in this state, and how long each runs from its start.
    pub fn timers(&self) -> BTreeMap<Timer, Duration> {
        let of_instances = InstanceId::BOTH
            .into_iter()
            .filter_map(|id| self.instance_timer(id));
        let of_updates = self
            .updates
            .keys()
            .map(|&port| (Timer::Mapped(port), self.limits.mapped));
        let of_blame = self
            .blamed
            .iter()
            .filter(|_| !self.is_stopping())
            .map(|&port| (Timer::Poison(port), self.limits.poison));
        let of_calm = InstanceId::BOTH
            .into_iter()
            .filter(|&id| self.is_to_calm(id))
            .map(|id| (Timer::Calm(id), self.limits.restart_calm));
        of_instances
            .chain(of_updates)
            .chain(of_blame)
            .chain(of_calm)
            .chain(self.takeover_timer())
            .chain(self.handover_timer())
            .chain(self.steer_timer())
            .collect()
    }

    pub(super) fn change_timers(&mut self, running: &BTreeMap<Timer, Duration>) {
        let wanted = self.timers();
        let stop = running.keys().filter(|timer| !wanted.contains_key(timer));
        self.actions
            .extend(stop.map(|&timer| Action::StopTimer(timer)));
        let start = wanted
            .into_iter()
            .filter(|(timer, _)| !running.contains_key(timer));
        self.actions
            .extend(start.map(|(timer, limit)| Action::StartTimer(timer, limit)));
    }

    fn instance_timer(&self, id: InstanceId) -> Option<(Timer, Duration)> {
        let instance = self.instance(id);
        match instance.life {
            Life::Spawned | Life::Greeted => Some((Timer::Start(id), self.limits.start)),
            Life::Warm if !instance.has_mapped_all() => Some((Timer::Start(id), self.limits.start)),
            // Its lanes may have some locks, and wait for those that the other one's lanes still hold.
            Life::Disarming if self.life(id.other()) == Life::Leaving => None,
            Life::Activating | Life::Releasing | Life::Arming | Life::Disarming => {
                Some((Timer::Settle(id), self.limits.settle))
            }
            Life::Leaving if instance.dumps => Some((Timer::Leave(id), self.limits.dump)),
            Life::Leaving => Some((Timer::Leave(id), self.limits.stop)),
            Life::Absent if self.is_to_start(id) => {
                let wait = self.limits.respawn(instance.failures);
                Some((Timer::Respawn(id), wait))
            }
            Life::Absent | Life::Warm | Life::Active | Life::Standby => None,
        }
    }

    fn is_to_start(&self, id: InstanceId) -> bool {
        let wanted = self.has_room_for(id) && self.is_next(id);
        let may = !self.is_given_up(id) && !self.is_held(id);
        wanted && self.has_started() && !self.is_stopping() && may
    }

    /// It is ready, and has died before.
    fn is_to_calm(&self, id: InstanceId) -> bool {
        let instance = self.instance(id);
        let ready = matches!(instance.life, Life::Active | Life::Standby);
        ready && instance.failures > 0 && !self.is_stopping()
    }

    fn takeover_timer(&self) -> Option<(Timer, Duration)> {
        let nobody_owns = self.find(Life::owns).is_none();
        let someone_waits = self.find(Life::is_armed).is_some();
        (nobody_owns && someone_waits).then_some((Timer::Takeover, self.limits.settle))
    }

    fn handover_timer(&self) -> Option<(Timer, Duration)> {
        match self.handover.as_ref()?.phase {
            Phase::Preparing => Some((Timer::Prepare, self.limits.prepare)),
            Phase::Quiescing { .. } => Some((Timer::Quiesce, self.limits.quiesce)),
            Phase::Releasing { .. } => Some((Timer::Release, self.limits.release)),
            Phase::Aborting { .. } => Some((Timer::Abort, self.limits.abort)),
            Phase::Steering | Phase::Settling { .. } => None,
        }
    }

    fn steer_timer(&self) -> Option<(Timer, Duration)> {
        self.waits_to_steer()
            .then_some((Timer::Steer, self.limits.steer_retry))
    }
}
