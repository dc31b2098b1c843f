use super::super::Thread;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MS: u64 = 1_000_000;
const LIMIT: u64 = 20 * MS;
const LANE: i32 = 7;
const OTHER: i32 = 8;

/// What a thread does for one millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Uses its CPU.
    Run,
    /// Would run, and has no CPU.
    Starve,
    /// Wakes, and sleeps again.
    Nap,
    /// Sleeps without waking.
    Sleep,
    /// Is stopped.
    Stop,
}

/// One thread and the clock, as the kernel sees them.
#[derive(Debug, Clone)]
struct Simulated {
    now: u64,
    heartbeat: u64,
    own: Thread,
    other: Option<Thread>,
}

impl Simulated {
    fn new() -> Self {
        Self {
            now: 1000 * MS,
            heartbeat: 1000 * MS,
            own: Thread {
                state: TaskState::Runnable,
                ran_ns: 5000 * MS,
                slices: 40,
            },
            other: None,
        }
    }

    fn judge(&self) -> Judge {
        Judge::new(Duration::from_nanos(LIMIT), self.now)
    }

    fn spend(&mut self, does: Does) {
        self.now += MS;
        advance(&mut self.own, does);
    }

    /// A round is done.
    fn beat(&mut self) {
        self.heartbeat = self.now;
    }

    fn look(&self, judge: &mut Judge) -> Verdict {
        judge.look(self.now, self.heartbeat, || {
            let others = self.other.map(|other| (OTHER, other));
            Some(Task {
                thread: LANE,
                own: self.own,
                others: others.into_iter().collect::<BTreeMap<_, _>>(),
            })
        })
    }

    /// Looks when the judge wants it, with `does` going on, until it hangs or `for_ms` are over.
    fn hangs_within(
        &mut self,
        judge: &mut Judge,
        for_ms: u64,
        does: impl Fn(u64) -> Does,
        other: impl Fn(u64) -> Option<Does>,
    ) -> Option<(How, Duration)> {
        let mut look_at = self.now;
        for ms in 0..for_ms {
            self.spend(does(ms));
            if let (Some(thread), Some(does)) = (&mut self.other, other(ms)) {
                advance(thread, does);
            }
            if self.now < look_at {
                continue;
            }
            match self.look(judge) {
                Verdict::LookAgainAt(at) => look_at = at,
                Verdict::Hangs { how, stale } => return Some((how, stale)),
            }
        }
        None
    }
}

fn advance(thread: &mut Thread, does: Does) {
    thread.state = match does {
        Does::Run | Does::Starve => TaskState::Runnable,
        Does::Nap | Does::Sleep => TaskState::Asleep,
        Does::Stop => TaskState::Stopped,
    };
    match does {
        Does::Run => {
            thread.slices += u64::from(thread.ran_ns.is_multiple_of(3));
            thread.ran_ns += MS;
        }
        Does::Nap => {
            thread.slices += 1;
            thread.ran_ns += MS / 50;
        }
        Does::Starve | Does::Sleep | Does::Stop => {}
    }
}

#[test]
fn each_way_to_hang_is_proven_at_the_limit_and_not_before() {
    for (does, expected) in [
        (Does::Run, How::Loops),
        (Does::Stop, How::Stopped),
        (Does::Sleep, How::Blocked),
    ] {
        let mut thread = Simulated::new();
        let mut judge = thread.judge();
        let (how, stale) = thread
            .hangs_within(&mut judge, 100, |_| does, |_| None)
            .unwrap_or_else(|| panic!("{does:?} is no hang"));
        assert_eq!(how, expected);
        let stale = stale.as_nanos() as u64;
        assert!(
            (LIMIT..LIMIT + 2 * MS).contains(&stale),
            "{does:?}: {stale}"
        );
    }
}

#[test]
fn a_thread_without_cpu_is_never_condemned() {
    let mut thread = Simulated::new();
    let mut judge = thread.judge();
    let found = thread.hangs_within(&mut judge, 10_000, |_| Does::Starve, |_| None);
    assert_eq!(found, None);
}

#[test]
fn a_loop_that_gets_little_cpu_is_still_found() {
    let mut thread = Simulated::new();
    let mut judge = thread.judge();
    let one_in_ten = |ms| {
        if ms % 10 == 0 {
            Does::Run
        } else {
            Does::Starve
        }
    };
    let found = thread.hangs_within(&mut judge, 1000, one_in_ten, |_| None);
    assert_eq!(found.map(|(how, _)| how), Some(How::Loops));
}

#[test]
fn stopped_in_the_middle_of_starving_is_found() {
    let mut thread = Simulated::new();
    let mut judge = thread.judge();
    let does = |ms| if ms < 50 { Does::Starve } else { Does::Stop };
    let found = thread.hangs_within(&mut judge, 200, does, |_| None);
    assert_eq!(found.map(|(how, _)| how), Some(How::Stopped));
}

#[test]
fn naps_are_no_sleep() {
    let mut thread = Simulated::new();
    let mut judge = thread.judge();
    let found = thread.hangs_within(&mut judge, 200, |_| Does::Nap, |_| None);
    assert_eq!(found, None, "it is scheduled again and again");
}

#[test]
fn one_that_may_wait_for_a_starved_thread_is_not_blocked() {
    let blocked = |other: fn(u64) -> Does| {
        let mut thread = Simulated::new();
        thread.other = Some(thread.own);
        let mut judge = thread.judge();
        thread.hangs_within(&mut judge, 1000, |_| Does::Sleep, |ms| Some(other(ms)))
    };
    assert_eq!(blocked(|_| Does::Starve), None);
    for other in [|_| Does::Run, |_| Does::Sleep] {
        assert_eq!(blocked(other).map(|(how, _)| how), Some(How::Blocked));
    }
    let late = blocked(|ms| if ms < 300 { Does::Starve } else { Does::Sleep });
    let (how, stale) = late.expect("nobody is starved any more");
    assert!(how == How::Blocked && stale.as_millis() >= 300, "{stale:?}");
}

#[test]
fn one_late_look_proves_nothing() {
    for does in [Does::Run, Does::Stop, Does::Sleep] {
        let mut thread = Simulated::new();
        let mut judge = thread.judge();
        (0..5000).for_each(|_| thread.spend(does));
        let verdict = thread.look(&mut judge);
        assert!(
            matches!(verdict, Verdict::LookAgainAt(_)),
            "{does:?}: {verdict:?}"
        );
    }
}

#[test]
fn a_heartbeat_from_before_it_was_watched_proves_nothing() {
    let mut thread = Simulated::new();
    (0..5000).for_each(|_| thread.spend(Does::Starve));
    let mut judge = thread.judge();
    let at = thread.now;
    assert_eq!(
        thread.look(&mut judge),
        Verdict::LookAgainAt(at + LIMIT / 2)
    );
}

#[test]
fn one_that_never_beat_or_is_not_there_is_unknown() {
    let mut thread = Simulated::new();
    thread.heartbeat = 0;
    let mut judge = thread.judge();
    assert_eq!(
        thread.hangs_within(&mut judge, 200, |_| Does::Stop, |_| None),
        None
    );
    let mut judge = thread.judge();
    for _ in 0..100 {
        thread.now += 5 * MS;
        let verdict = judge.look(thread.now, 1, || None);
        assert!(matches!(verdict, Verdict::LookAgainAt(at) if at > thread.now));
    }
}

#[test]
fn another_thread_in_its_place_is_watched_anew() {
    let mut thread = Simulated::new();
    let mut judge = thread.judge();
    (0..15).for_each(|_| thread.spend(Does::Stop));
    thread.look(&mut judge);
    (0..15).for_each(|_| thread.spend(Does::Stop));
    let others = BTreeMap::new();
    let own = thread.own;
    let new = Task {
        thread: LANE + 1,
        own,
        others,
    };
    let verdict = judge.look(thread.now, thread.heartbeat, || Some(new));
    assert!(matches!(verdict, Verdict::LookAgainAt(_)), "{verdict:?}");
}

#[test]
fn a_beat_clears_it() {
    let mut thread = Simulated::new();
    let mut judge = thread.judge();
    for _ in 0..100 {
        for _ in 0..19 {
            thread.spend(Does::Stop);
            assert!(matches!(thread.look(&mut judge), Verdict::LookAgainAt(_)));
        }
        thread.beat();
    }
}

/// What a sound lane on a busy host does: it finishes a round, naps, or waits for a CPU for long.
fn sound() -> impl Strategy<Value = (Does, u8)> {
    prop_oneof![
        3 => Just((Does::Run, 1)),
        2 => Just((Does::Nap, 1)),
        3 => (Just(Does::Starve), 1..200_u8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Starved for as long as may be, looked at as late or as often as may be: no false alarm.
    #[test]
    fn a_starved_lane_is_never_condemned(
        life in prop::collection::vec(sound(), 1..80),
        looks in prop::collection::vec(1..60_u8, 1..40),
    ) {
        let mut thread = Simulated::new();
        let mut judge = thread.judge();
        let mut looks = looks.into_iter().cycle();
        let mut left = looks.next();
        for (does, ms) in life {
            for _ in 0..ms {
                thread.spend(does);
                left = left.map(|left| left - 1);
                if left == Some(0) {
                    let verdict = thread.look(&mut judge);
                    prop_assert!(matches!(verdict, Verdict::LookAgainAt(at) if at > thread.now), "{:?}", verdict);
                    left = looks.next();
                }
            }
            if does != Does::Starve {
                thread.beat();
            }
        }
    }

    /// Whatever came before: a thread that does nothing but hang is found, if it is looked at.
    #[test]
    fn a_hang_is_always_found(
        life in prop::collection::vec(sound(), 0..40),
        hang in prop::sample::select(vec![Does::Run, Does::Stop, Does::Sleep]),
    ) {
        let mut thread = Simulated::new();
        let mut judge = thread.judge();
        for (does, ms) in life {
            thread.hangs_within(&mut judge, u64::from(ms), |_| does, |_| None);
            if does != Does::Starve {
                thread.beat();
            }
        }
        prop_assert!(thread.hangs_within(&mut judge, 60, |_| hang, |_| None).is_some());
    }
}
