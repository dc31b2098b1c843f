//! Who owns the lanes: one instance at a time, which has seen all that was done before, and knows
//! when its predecessor died.

use crate::world::{Instance, LANES, World};
use crate::{Mortal, explore, explore_deaths, explore_with};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::*};
use loom::thread::{self, JoinHandle};
use vhost_transfer::Term;
use vhost_transfer::ledger::{Left, Predecessor, Tenure};
use vhost_transfer::sync::mortal;

fn never() -> bool {
    false
}

/// A lane of the standby: takes over, serves a burst, and lets go.
fn successor(instance: &Arc<Instance>, lane: u16, last: Term) -> JoinHandle<Tenure> {
    let instance = Arc::clone(instance);
    thread::spawn(move || take(&instance, lane, last))
}

fn take(instance: &Instance, lane: u16, last: Term) -> Tenure {
    let mut found = None;
    instance.run(lane, last, &never, &mut |_, _, tenure| found = Some(tenure));
    found.expect("it was not told to leave")
}

/// A lane of an instance that is asked to let go, by itself: the first one finds the release word.
fn give(instance: &Instance, lane: u16) -> Left {
    instance.run(lane, Term(0), &never, &mut |instance, lane, tenure| {
        if lane == 0 {
            instance.world.handover.release_for(tenure.term.next());
        }
        while !goes(instance, lane, tenure) {
            thread::yield_now();
        }
    })
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
        let second = {
            let (old, new) = (Arc::clone(&old), Arc::clone(&new));
            thread::spawn(move || {
                let left = give(&old, 1);
                (left, take(&new, 1, Term(0)))
            })
        };
        let first = (give(&old, 0), take(&new, 0, Term(0)));
        let second = second.join().unwrap();
        assert_ne!(first.0.all, second.0.all, "one is the last");
        for (left, tenure) in [first, second] {
            assert_eq!(left.served, Some(Term(1)));
            assert_eq!(tenure.term, Term(2));
            assert_eq!(tenure.predecessor, Predecessor::Released);
        }
        assert_eq!(world.bursts(), [2, 2]);
    });
}
