//! What of a start, or of opening the uplink, took how long.

use std::time::Instant;
use vhost_transfer::message::Phase;

/// Times phases, one behind the other.
pub(super) struct PhaseClock {
    began: Instant,
    last: Instant,
    phases: Vec<Phase>,
}

impl PhaseClock {
    /// The first phase begins now.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            last: now,
            phases: Vec::new(),
        }
    }

    /// A phase ends here, and the next one begins.
    pub(super) fn lap(&mut self, name: &str) {
        let now = Instant::now();
        self.note(name, self.last, now);
        self.last = now;
    }

    /// A phase that lay beside others.
    pub(super) fn note(&mut self, name: &str, from: Instant, until: Instant) {
        let us = |from: Instant, until: Instant| (until - from).as_micros() as u64;
        self.phases.push(Phase {
            name: name.to_owned(),
            us: us(from, until),
            at_us: Some(us(self.began, from)),
        });
    }

    /// All of them, in the order in which they ended.
    pub(super) fn phases(self) -> Vec<Phase> {
        self.phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn phases_follow_each_other_and_lie_beside_each_other() {
        let mut clock = PhaseClock::start();
        std::thread::sleep(Duration::from_millis(2));
        clock.lap("one");
        let (from, until) = (clock.began, clock.last);
        clock.note("beside", from, until);
        clock.lap("two");
        let phases = clock.phases();
        let [one, beside, two] = &phases[..] else {
            panic!("{phases:?}");
        };
        assert!(one.us >= 2000 && one.at_us == Some(0), "{one:?}");
        assert_eq!((beside.us, beside.at_us), (one.us, Some(0)));
        assert_eq!(two.at_us, Some(one.us));
    }
}
