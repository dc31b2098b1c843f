//! Who owns the lanes: one instance at a time, which has seen all that was done before, and knows
//! when its predecessor died.

use crate::world::{Instance, World};
use crate::{explore, explore_with};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use loom::thread;
use vhost_transfer::Term;
use vhost_transfer::ledger::{Left, Predecessor, Tenure};
use vhost_transfer::sync::mortal;

/// Steps after which a lane that is to die anyway is told to, at most: more than it takes to serve.
const STEPS: u32 = 14;

fn never() -> bool {
    false
}

/// What the two lanes do, at a time.
fn both<T: 'static>(lane: impl Fn(u16) -> T + 'static) -> [T; 2] {
    let lane = Arc::new(lane);
    let second = {
        let lane = Arc::clone(&lane);
        thread::spawn(move || lane(1))
    };
    let first = lane(0);
    [first, second.join().unwrap()]
}

/// A lane takes over, serves a burst, and lets go.
fn take(instance: &Instance, lane: u16, last: Term) -> Tenure {
    let mut found = None;
    while found.is_none() {
        instance.run(lane, last, &never, &mut |_, _, tenure| found = Some(tenure));
        thread::yield_now();
    }
    found.expect("it served")
}

/// A lane of an instance that is asked to let go, by itself: the first one writes the release word.
fn give(instance: &Instance, lane: u16) {
    let release = &mut |instance: &Instance, lane, tenure: Tenure| {
        if lane == 0 {
            instance.world.handover.release_for(tenure.term.next());
        }
        while !goes(instance, lane, tenure) {
            thread::yield_now();
        }
    };
    while instance.run(lane, Term(0), &never, release) == Left::Unserved {
        thread::yield_now();
    }
}

/// As a lane's `must_go`: the first decides.
fn goes(instance: &Instance, lane: u16, tenure: Tenure) -> bool {
    if lane == 0 && instance.world.handover.must_release(tenure.term) {
        instance.gate.end(tenure.term);
    }
    instance.gate.has_ended(tenure.term)
}

#[test]
fn a_handover_has_one_owner_at_a_time() {
    explore(|| {
        let world = Arc::new(World::default());
        let (old, new) = (Instance::new(&world), Instance::new(&world));
        let found = both(move |lane| {
            give(&old, lane);
            take(&new, lane, Term(0))
        });
        let after_release = Tenure {
            term: Term(2),
            predecessor: Predecessor::Released,
        };
        assert_eq!(found, [after_release; 2]);
        assert_eq!(world.bursts(), [2, 2]);
    });
}

/// How the lanes of a process die.
#[derive(Clone, Copy)]
enum Cause {
    /// By SIGKILL.
    Killed,
    /// By a signal whose handler abandons the lane.
    Signalled,
}

/// A lane that serves until it dies, at the latest before its step number `limit`.
fn serve_and_die(instance: &Instance, lane: u16, limit: u32, cause: Cause) {
    let life = || {
        instance.run(lane, Term(0), &never, &mut |_, _, _| mortal::die());
    };
    let last_words = || match cause {
        Cause::Killed => {}
        Cause::Signalled => instance.abandon(lane),
    };
    mortal::dies_at(limit, life, last_words);
}

/// Wherever the two lanes of a process die, those of its successor all know, if a term had begun.
fn a_death_is_known(cause: Cause) {
    for limits in (0..STEPS).flat_map(|first| (0..STEPS).map(move |second| [first, second])) {
        explore(move || {
            let world = Arc::new(World::default());
            let (dead, new) = (Instance::new(&world), Instance::new(&world));
            let found = both(move |lane| {
                serve_and_die(&dead, lane, limits[usize::from(lane)], cause);
                take(&new, lane, Term(0))
            });
            assert_eq!(found[0], found[1]);
            let served_before = world.bursts() != [1, 1];
            let Tenure { term, predecessor } = found[0];
            assert!(term == Term(2) || term == Term(1) && !served_before);
            assert!(predecessor == Predecessor::Died || !served_before);
        });
    }
}

#[test]
fn who_is_killed_is_found_dead() {
    a_death_is_known(Cause::Killed);
}

#[test]
fn who_dies_of_a_signal_is_found_dead() {
    a_death_is_known(Cause::Signalled);
}

/// The successor runs while the dead one's last steps are still to come.
#[test]
fn a_successor_that_waits_already_finds_the_death_too() {
    for (limit, cause) in (0..STEPS).flat_map(|at| [(at, Cause::Killed), (at, Cause::Signalled)]) {
        explore(move || {
            let world = Arc::new(World::default());
            let [dead, new] = std::array::from_fn(|_| Instance::with_lanes(1, &world));
            let dead = thread::spawn(move || serve_and_die(&dead, 0, limit, cause));
            let Tenure { term, predecessor } = take(&new, 0, Term(0));
            dead.join().unwrap();
            if term == Term(1) {
                return; // The other one came later, or died before it began.
            }
            assert!(predecessor == Predecessor::Died || world.bursts() == [1, 0]);
        });
    }
}

/// A successor that is stopped before both of its lanes have looked where the rings stand leaves that
/// to the next.
#[test]
fn a_death_is_not_forgotten_by_who_served_it_in_part() {
    explore(|| {
        let world = Arc::new(World::default());
        let instances: [_; 3] = std::array::from_fn(|_| Instance::new(&world));
        let [dead, stopped, new] = instances;
        let stop = Arc::new(AtomicBool::new(false));
        serve_and_die(&dead, 0, 4, Cause::Killed);
        let results = both({
            let stop = Arc::clone(&stop);
            move |lane| {
                let must_leave = || stop.load(Relaxed);
                let left = stopped.run(lane, Term(0), &must_leave, &mut |_, _, _| {
                    stop.store(true, Relaxed);
                });
                stop.store(true, Relaxed);
                left
            }
        });
        let served = |left: &Left| *left != Left::Unserved;
        let found = both(move |lane| take(&new, lane, Term(0)));
        assert!(results.iter().all(served) || found[0].predecessor == Predecessor::Died);
    });
}

/// Two instances that want a dead one's lanes at a time come to terms: the one without the first lane
/// leaves the other to the rival, and does not take the news of the death with it.
#[test]
fn two_that_want_the_lanes_never_each_have_one_and_wait() {
    explore(|| {
        let world = Arc::new(World::default());
        let [dead, new, rival] = std::array::from_fn(|_| Instance::new(&world));
        serve_and_die(&dead, 1, 2, Cause::Killed);
        let rival = thread::spawn(move || rival.run(1, Term(0), &never, &mut |_, _, _| {}));
        let found = both(move |lane| take(&new, lane, Term(0)));
        assert_eq!(rival.join().unwrap(), Left::Unserved);
        let after_death = Tenure {
            term: Term(1),
            predecessor: Predecessor::Died,
        };
        assert_eq!(found, [after_death; 2]);
    });
}

/// Lanes whose release word is revoked all go and come back, or all stay.
#[test]
fn a_revoked_release_is_all_or_none() {
    explore_with(1, || {
        let world = Arc::new(World::default());
        let instance = Instance::new(&world);
        let stays = Arc::new(AtomicU32::new(0));
        world.handover.release_for(Term(2));
        let supervisor = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.handover.revoke(Term(2)))
        };
        let terms = both(move |lane| live_through_revocation(&instance, lane, &stays));
        supervisor.join().unwrap();
        assert_eq!(terms[0], terms[1]);
    });
}

/// The term in which the lane ended up.
fn live_through_revocation(instance: &Instance, lane: u16, stays: &AtomicU32) -> Term {
    let mut last = Term(0);
    loop {
        let left = instance.run(lane, last, &never, &mut |instance, lane, tenure| {
            while stays.load(Acquire) == 0 && !goes(instance, lane, tenure) {
                match lane {
                    0 => stays.store(1, Release),
                    _ => thread::yield_now(),
                }
            }
        });
        let Left::Served { term, .. } = left else {
            thread::yield_now();
            continue;
        };
        last = term;
        if stays.load(Acquire) == 1 {
            return last;
        }
        while !instance
            .gate
            .may_return(&instance.world.handover, last, false)
        {
            thread::yield_now();
        }
    }
}
