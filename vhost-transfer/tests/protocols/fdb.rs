//! The forwarding database, which lanes write and read at will. With loom it has two places.

use crate::{explore, explore_deaths};
use loom::sync::Arc;
use loom::thread;
use vhost_transfer::PortId;
use vhost_transfer::ledger::{Fdb, MacAddr};

const AGING: u32 = 10;
const MAC: MacAddr = [2, 0, 0, 0, 0, 1];
const RIVAL: MacAddr = [2, 0, 0, 0, 0, 2];

fn port(number: u16) -> PortId {
    PortId::new(number).unwrap()
}

/// Runs `other` in another thread meanwhile.
fn beside<T: 'static>(
    fdb: &Arc<Fdb>,
    other: impl FnOnce(&Fdb) -> T + 'static,
) -> thread::JoinHandle<T> {
    let fdb = Arc::clone(fdb);
    thread::spawn(move || other(&fdb))
}

/// A place becomes free between the looks of two lanes, so that they choose different ones.
#[test]
fn two_lanes_that_learn_one_address_leave_no_twins() {
    // One of the rivals stands where the address would stand first.
    for last in 2..6 {
        explore(move || {
            let fdb = Arc::new(Fdb::default());
            fdb.learn([2, 0, 0, 0, 0, last], port(3), 0, AGING);
            let lane = beside(&fdb, |fdb| fdb.learn(MAC, port(1), 0, AGING));
            fdb.forget(port(3));
            fdb.learn(MAC, port(2), 0, AGING);
            lane.join().unwrap();
            let entries: Vec<_> = fdb.entries().collect();
            assert!(entries.len() <= 1, "{entries:?}");
        });
    }
}

/// One of the two places is old and wanted by two: a third lane that looks for either sees its own
/// port or none.
#[test]
fn a_place_that_changes_hands_is_never_taken_for_anothers() {
    explore(|| {
        let fdb = Arc::new(Fdb::default());
        fdb.learn(MAC, port(1), 0, AGING);
        for now in [0, 50] {
            fdb.learn(RIVAL, port(2), now, AGING);
        }
        let lane = beside(&fdb, |fdb| fdb.learn([4; 6], port(4), 50, AGING));
        let other = beside(&fdb, |fdb| fdb.learn([6; 6], port(6), 50, AGING));
        for (mac, home, old) in [(MAC, 1, true), (RIVAL, 2, false), ([4; 6], 4, false)] {
            let found = fdb.lookup(mac, 50, AGING);
            assert!(
                found.is_none_or(|found| found == port(home) && !old),
                "{found:?}"
            );
        }
        lane.join().unwrap();
        other.join().unwrap();
        assert_eq!(fdb.lookup(RIVAL, 50, AGING), Some(port(2)));
    });
}

/// An address that has moved to another port does not stay behind the one that is forgotten.
#[test]
fn what_is_forgotten_while_it_moves_is_not_where_it_was() {
    explore(|| {
        let fdb = Arc::new(Fdb::default());
        fdb.learn(MAC, port(1), 0, AGING);
        let lane = beside(&fdb, |fdb| fdb.learn(MAC, port(2), 0, AGING));
        fdb.forget(port(1));
        lane.join().unwrap();
        assert_ne!(fdb.lookup(MAC, 0, AGING), Some(port(1)));
    });
}

/// A lane that dies while it learns leaves a whole entry or none, and its successor can learn all the same.
#[test]
fn a_death_while_learning_spoils_nothing() {
    explore_deaths(|mortal| {
        let fdb = Arc::new(Fdb::default());
        fdb.learn(RIVAL, port(3), 0, AGING);
        let mortal = mortal.clone();
        let dying = beside(&fdb, move |fdb| {
            mortal.live(|| fdb.learn(MAC, port(1), 50, AGING)).is_some()
        });
        let early = fdb.lookup(MAC, 50, AGING);
        assert!(early.is_none_or(|found| found == port(1)), "{early:?}");
        let lived = dying.join().unwrap();
        let found = fdb.lookup(MAC, 50, AGING);
        assert!(
            found == Some(port(1)) || !lived && found.is_none(),
            "{found:?}"
        );
        fdb.learn(MAC, port(2), 51, AGING);
        assert_eq!(fdb.lookup(MAC, 51, AGING), Some(port(2)));
    });
}
