//! Steering where both instances have the same device: it is closed in the one, and opened in the
//! other.

use super::phases::{self, phase};
use super::{Daemon, Due};
use crate::control::protocol::Phase;
use crate::policy::{Event, Life};
use std::time::{Duration, Instant};
use vhost_transfer::InstanceId;
use vhost_transfer::message::{ToInstance, UplinkOpened};

/// How long both steps together may take: an instance tries for a while, and a driver takes its time.
const LIMIT: Duration = Duration::from_secs(5);

/// Where the device is, and where it is going.
#[derive(Debug, Default)]
pub(super) struct UplinkPlace {
    /// Who has it open, when that is known.
    at: Option<InstanceId>,
    /// It went away since it was opened there.
    lost: bool,
    moving: Option<UplinkMove>,
    /// What took how long when it was moved last, µs from the begin of the move on.
    pub(super) phases: Vec<Phase>,
}

#[derive(Debug)]
struct UplinkMove {
    /// Who may have it open.
    from: InstanceId,
    to: InstanceId,
    step: Step,
    began: Instant,
    step_began: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Closing,
    Opening,
}

impl UplinkPlace {
    /// Who has it open.
    pub(super) fn at(&self) -> Option<InstanceId> {
        self.at
    }

    /// Who has to close it before `to` opens it: `to` itself, if what that has open is of no use.
    fn closes_for(&mut self, to: InstanceId) -> InstanceId {
        let lost = std::mem::take(&mut self.lost);
        self.at.take().filter(|_| lost).unwrap_or(to.other())
    }

    fn waits_for(&self, id: InstanceId, step: Step) -> bool {
        let moving = self.moving.as_ref().filter(|moving| moving.step == step);
        moving.is_some_and(|moving| match step {
            Step::Closing => moving.from == id,
            Step::Opening => moving.to == id,
        })
    }
}

impl Daemon {
    /// The device is not there any more. It is to be closed, so that the kernel can have it, and opened
    /// anew.
    pub(super) fn uplink_is_lost(&mut self) {
        self.uplink_place.lost = true;
    }

    /// Begins to move the device to `to`. [`Event::Steered`] tells how it ended, in any case.
    pub(super) fn move_uplink(&mut self, to: InstanceId) {
        let now = Instant::now();
        let from = self.uplink_place.closes_for(to);
        self.uplink_place.phases.clear();
        self.uplink_place.moving = Some(UplinkMove {
            from,
            to,
            step: Step::Closing,
            began: now,
            step_began: now,
        });
        self.timers.start(Due::UplinkMove, now, LIMIT);
        if self.may_have_uplink(from) {
            self.send(from, &ToInstance::CloseUplink);
        } else {
            self.open_uplink();
        }
    }

    /// One that only starts has opened nothing, and does not listen yet.
    fn may_have_uplink(&self, id: InstanceId) -> bool {
        match self.policy.instance(id).life {
            Life::Absent | Life::Spawned | Life::Greeted | Life::Leaving => false,
            Life::Warm
            | Life::Activating
            | Life::Active
            | Life::Releasing
            | Life::Arming
            | Life::Standby
            | Life::Disarming => true,
        }
    }

    pub(super) fn hear_uplink_closed(&mut self, id: InstanceId) {
        if self.uplink_place.at == Some(id) {
            self.uplink_place.at = None;
        }
        if self.uplink_place.waits_for(id, Step::Closing) {
            self.end_step("uplink close");
            self.open_uplink();
        }
    }

    fn open_uplink(&mut self) {
        if let Some(moving) = &mut self.uplink_place.moving {
            moving.step = Step::Opening;
            moving.step_began = Instant::now();
            let to = moving.to;
            self.send(to, &ToInstance::OpenUplink);
        }
    }

    /// Also by itself: after a death nobody has to tell it to.
    pub(super) fn hear_uplink_opened(&mut self, id: InstanceId, opened: UplinkOpened) {
        if opened.trouble.is_none() {
            self.uplink_place.at = Some(id);
        }
        if !self.uplink_place.waits_for(id, Step::Opening) {
            return;
        }
        self.end_step("uplink open");
        self.note_opening(&opened);
        self.end_uplink_move(opened.trouble.map_or(Ok(()), Err));
    }

    /// `id` has ended: what it had open is closed, and it opens nothing.
    pub(super) fn forget_uplink_of(&mut self, id: InstanceId) {
        if self.uplink_place.at == Some(id) {
            self.uplink_place.at = None;
        }
        let moving = self.uplink_place.moving.as_ref();
        if moving.is_some_and(|moving| moving.to == id) {
            self.end_uplink_move(Err(format!("{id} has ended")));
        } else if self.uplink_place.waits_for(id, Step::Closing) {
            self.open_uplink();
        }
    }

    pub(super) fn uplink_move_timed_out(&mut self) {
        if let Some(moving) = &self.uplink_place.moving {
            let reason = match moving.step {
                Step::Closing => format!("{} did not close the uplink", moving.from),
                Step::Opening => format!("{} did not open the uplink", moving.to),
            };
            self.end_uplink_move(Err(format!("{reason} within {LIMIT:?}")));
        }
    }

    fn end_uplink_move(&mut self, outcome: Result<(), String>) {
        self.uplink_place.moving = None;
        self.timers.stop(Due::UplinkMove);
        self.happen(Event::Steered(outcome));
    }

    fn end_step(&mut self, name: &str) {
        let Some(moving) = &self.uplink_place.moving else {
            return;
        };
        let (at, took) = (
            moving.step_began - moving.began,
            moving.step_began.elapsed(),
        );
        self.uplink_place.phases.push(phase(name, at, took));
    }

    /// What the instance tells of the opening lies inside of it.
    fn note_opening(&mut self, opened: &UplinkOpened) {
        let phases = &mut self.uplink_place.phases;
        let begin = phases.last().and_then(|phase| phase.at_us);
        phases.extend(phases::told(&opened.phases, begin.unwrap_or(0)));
    }

    fn send(&mut self, id: InstanceId, message: &ToInstance) {
        let outcome = match self.process(id) {
            Some(process) => process.lifeline.send(message, &[]),
            None => return,
        };
        if let Err(error) = outcome {
            self.events.push_back(Event::Broken(id, error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceId::{A, B};

    #[test]
    fn only_what_is_lost_is_closed_where_it_is_to_be_open() {
        let place = |at, lost| UplinkPlace {
            at,
            lost,
            ..UplinkPlace::default()
        };
        for (mut place, closes) in [
            (place(Some(A), false), A),
            (place(Some(B), false), A),
            (place(Some(B), true), B),
            (place(Some(A), true), A),
            (place(None, true), A),
        ] {
            assert_eq!(place.closes_for(B), closes, "{place:?}");
            assert_eq!((place.at, place.lost), (None, false));
        }
    }
}
