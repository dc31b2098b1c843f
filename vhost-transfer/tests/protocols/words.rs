//! Words by which one tells another something.

use crate::{explore, explore_deaths};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use vhost_transfer::ledger::{Death, Handover, InstanceSlot, LaneSlot};
use vhost_transfer::{PortId, Term};

/// Whoever sees the release word sees all that was done before it, such as where the NIC delivers.
#[test]
fn the_release_word_is_seen_after_what_it_stands_for() {
    explore(|| {
        let shared = Arc::new((Handover::default(), UnsafeCell::new("active")));
        let supervisor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // SAFETY: what this test is about: nobody looks before the word is there.
                shared.1.with_mut(|nic| unsafe { *nic = "standby" });
                shared.0.release_for(Term(2));
            })
        };
        if shared.0.must_release(Term(1)) {
            // SAFETY: as above.
            assert_eq!(shared.1.with(|nic| unsafe { *nic }), "standby");
        }
        supervisor.join().unwrap();
    });
}

/// Whoever sees a term sees what its owner did before it began.
#[test]
fn a_term_is_seen_after_what_came_before_it() {
    explore(|| {
        let shared = Arc::new((Handover::default(), LaneSlot::default()));
        let lane = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.note_resumed(7);
                shared.0.begin(Term(1));
            })
        };
        if shared.0.term() == Term(1) {
            assert_eq!(shared.1.resumed_at(), 7);
        }
        lane.join().unwrap();
    });
}

/// Whoever looks for the cause of a death gets it whole or not at all, and once.
#[test]
fn a_death_is_told_once() {
    explore_deaths(|mortal| {
        let slot = Arc::new(InstanceSlot::default());
        let death = Death {
            signal: 11,
            port: PortId::new(5),
        };
        let dying = {
            let (slot, mortal) = (Arc::clone(&slot), mortal.clone());
            thread::spawn(move || mortal.live(|| slot.note_death(death)).is_some())
        };
        let early = slot.take_death();
        let noted = dying.join().unwrap();
        let late = slot.take_death();
        let told: Vec<_> = early.into_iter().chain(late).collect();
        assert_eq!(told, vec![death; usize::from(noted)]);
    });
}
