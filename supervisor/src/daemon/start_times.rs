//! What of an instance's start took how long, as the supervisor and the instance see it.

use super::Daemon;
use super::phases::{self, micros, phase};
use super::process::Process;
use crate::control::protocol::{MoveKind, Phase};
use std::time::{Duration, Instant};
use vhost_transfer::InstanceId;
use vhost_transfer::message::{self, FirstPacket};

/// When what happened to a process that starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartTimes {
    /// How long the hook before it took.
    hook: Option<Duration>,
    spawned: Instant,
    greeted: Option<Instant>,
    /// Until it has a role for the first time.
    warm: Option<Instant>,
}

impl StartTimes {
    /// Its process is there from now on.
    pub(super) fn spawned(hook: Option<Duration>) -> Self {
        Self {
            hook,
            spawned: Instant::now(),
            greeted: None,
            warm: None,
        }
    }

    pub(super) fn greeted(&mut self) {
        self.greeted.get_or_insert_with(Instant::now);
    }

    /// What the supervisor has seen, and behind it what the instance tells of itself.
    fn phases(&self, told: &[message::Phase]) -> Vec<Phase> {
        let hook = self.hook.unwrap_or_default();
        let exec = self.greeted.unwrap_or(self.spawned) - self.spawned;
        let of_hook = self
            .hook
            .map(|took| phase("pre-start hook", Duration::ZERO, took));
        let of_exec = phase("exec", hook, exec);
        let from_setup = micros(hook + exec);
        let of_us = of_hook.into_iter().chain([of_exec]);
        of_us.chain(phases::told(told, from_setup)).collect()
    }

    fn so_far(&self) -> Duration {
        self.hook.unwrap_or_default() + self.spawned.elapsed()
    }
}

impl Daemon {
    /// The phases until `id` was warm, which it has just said, and how long all of them took, µs.
    pub(super) fn note_warm(&mut self, id: InstanceId, told: &[message::Phase]) -> u64 {
        let Some(process) = self.process(id) else {
            return 0;
        };
        let Some(times) = &mut process.start_times else {
            return 0;
        };
        times.warm = Some(Instant::now());
        process.phases = times.phases(told);
        micros(times.so_far())
    }

    /// The last phase of a start: mapping devices, until there is a role.
    pub(super) fn note_first_role(&mut self, id: InstanceId) {
        let has_role = self.policy.instance(id).life.role().is_some();
        let process = self.process(id).filter(|_| has_role);
        let times = process.and_then(|process: &mut Process| process.start_times.as_mut());
        let Some((times, warm)) = times.and_then(|times| {
            let warm = times.warm.take()?;
            Some((*times, warm))
        }) else {
            return;
        };
        let took = warm.elapsed();
        let mapping = phase("devices and role", times.so_far() - took, took);
        if let Some(process) = self.process(id) {
            process.phases.push(mapping.clone());
        }
        self.history.add_to(MoveKind::Start, id, mapping);
    }

    pub(super) fn hear_first_packet(&mut self, id: InstanceId, first: FirstPacket) {
        if self.policy.active() == Some(id) {
            self.history.first_packet(first.term.0, first.after_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phases::MOST_TOLD;

    fn told(at_us: u64) -> message::Phase {
        message::Phase {
            name: "eal".to_owned(),
            us: 5,
            at_us: Some(at_us),
        }
    }

    #[test]
    fn what_an_instance_tells_lies_behind_hook_and_exec_and_is_bounded() {
        let mut times = StartTimes::spawned(Some(Duration::from_millis(3)));
        times.greeted = Some(times.spawned + Duration::from_millis(4));
        let phases = times.phases(&[told(10), told(u64::MAX)]);
        let shown: Vec<_> = phases
            .iter()
            .map(|phase| (&phase.name[..], phase.at_us))
            .collect();
        let expected = [
            ("pre-start hook", Some(0)),
            ("exec", Some(3000)),
            ("eal", Some(7010)),
            ("eal", Some(u64::MAX)),
        ];
        assert_eq!(shown, expected);
        let many = vec![told(1); 10 * MOST_TOLD];
        assert_eq!(times.phases(&many).len(), 2 + MOST_TOLD);
    }
}
