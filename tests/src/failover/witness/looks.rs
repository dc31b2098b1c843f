//! What the ledger shows in three looks in a row, and what of it cannot be with one owner.

use std::ops::Range;
use vhost_transfer::Term;
use vhost_transfer::ledger::{LaneView, LedgerView};

/// One look at the term, and then at every lane.
#[derive(Debug, Clone)]
pub(super) struct Look {
    term: Term,
    lanes: Vec<LaneView>,
}

impl Look {
    pub(super) fn at(ledger: &LedgerView, lanes: Range<u16>) -> Self {
        Self {
            term: ledger.term(),
            lanes: lanes.filter_map(|lane| ledger.lane(lane)).collect(),
        }
    }

    pub(super) fn term(&self) -> Term {
        self.term
    }
}

/// Three looks in a row.
///
/// A look reads of a lane what its owner does, and then who the owner is. So when all three looks name
/// the same owner, it was the owner for all that happened between the second look and the third: nobody
/// gets a lane back but by a new term.
#[derive(Debug)]
pub(super) struct Looks<'a>(pub(super) [&'a Look; 3]);

impl Looks<'_> {
    /// Everything that cannot be with one owner. `process_of` tells to which process a thread belongs.
    pub(super) fn contradictions(
        &self,
        mut process_of: impl FnMut(i32) -> Option<i32>,
    ) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(self.term_went_back());
        found.extend(self.lanes().filter_map(|lane| self.beat_went_back(lane)));
        found.extend(self.lanes().filter_map(|lane| self.served_unheld(lane)));
        found.extend(self.divided(&mut process_of));
        found
    }

    fn lanes(&self) -> Range<usize> {
        0..self
            .0
            .iter()
            .map(|look| look.lanes.len())
            .min()
            .unwrap_or(0)
    }

    fn lane(&self, lane: usize) -> [LaneView; 3] {
        self.0.map(|look| look.lanes[lane])
    }

    fn term_went_back(&self) -> Option<String> {
        let [_, before, now] = self.0.map(|look| look.term.0);
        (now < before).then(|| format!("the term went back from {before} to {now}"))
    }

    /// One owner writes it, from a clock that does not go back.
    fn beat_went_back(&self, lane: usize) -> Option<String> {
        let [_, before, now] = self.lane(lane).map(|lane| lane.heartbeat);
        (now < before)
            .then(|| format!("the heartbeat of lane {lane} went back from {before} to {now}"))
    }

    /// Somebody goes round who is not who has the lock.
    fn served_unheld(&self, lane: usize) -> Option<String> {
        let [_, _, LaneView { thread, holder, .. }] = self.lane(lane);
        (self.works(lane) && holder != Some(thread)).then(|| {
            let term = self.0[2].term.0;
            format!("lane {lane} is served by thread {thread} in term {term}, its lock is held by {holder:?}")
        })
    }

    /// Lanes that are served at one time, and by two processes.
    fn divided(&self, process_of: &mut impl FnMut(i32) -> Option<i32>) -> Option<String> {
        let serving = self.lanes().filter(|&lane| self.works(lane));
        let threads = serving.map(|lane| self.lane(lane)[2].thread);
        let mut processes: Vec<i32> = threads.filter_map(process_of).collect();
        processes.sort_unstable();
        processes.dedup();
        (processes.len() > 1).then(|| {
            let term = self.0[2].term.0;
            format!("in term {term} lanes are served by processes {processes:?} at one time")
        })
    }

    /// The lane did something between the second look and the third, while term, thread and lock were
    /// those that all three looks show.
    fn works(&self, lane: usize) -> bool {
        let signs = |view: &LaneView| (view.heartbeat, view.serving);
        let owner = |view: &LaneView| (view.thread, view.holder);
        let [first, second, third] = self.lane(lane);
        let [term, ..] = self.0.map(|look| look.term);
        self.0.iter().all(|look| look.term == term)
            && owner(&first) == owner(&second)
            && owner(&second) == owner(&third)
            && signs(&second) != signs(&third)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::gettid;
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;
    use vhost_transfer::Ledger;

    const LANES: u16 = 2;
    const STRANGER: i32 = 1;

    /// A ledger of two lanes that are both held by this thread, which went round them.
    struct Made {
        ledger: Ledger,
        view: LedgerView,
        clock: u64,
    }

    impl Made {
        fn new() -> Self {
            let ledger = Ledger::create().unwrap();
            let path = format!("/proc/self/fd/{}", ledger.fd().as_raw_fd());
            let view = LedgerView::open(File::open(path).unwrap().into()).unwrap();
            for lane in 0..LANES {
                let guard = ledger.lane(lane).lock.acquire(Duration::ZERO).unwrap();
                std::mem::forget(guard.expect("nobody else has it"));
            }
            ledger.handover().begin(Term(1));
            let mut made = Self {
                ledger,
                view,
                clock: 100,
            };
            (0..LANES).for_each(|lane| made.round(lane, me()));
            made
        }

        fn round(&mut self, lane: u16, thread: i32) {
            self.clock += 1;
            self.ledger.lane(lane).thread.store(thread, Relaxed);
            self.ledger.lane(lane).beat(self.clock);
        }

        /// Three looks, and `between` any two of them; each thread is a process of its own.
        fn found(&mut self, mut between: impl FnMut(&mut Self)) -> Vec<String> {
            let looks = [(); 3].map(|()| {
                between(self);
                Look::at(&self.view, 0..LANES)
            });
            Looks(looks.each_ref()).contradictions(Some)
        }
    }

    fn me() -> i32 {
        gettid().as_raw()
    }

    #[test]
    fn one_owner_is_as_it_should_be() {
        let mut made = Made::new();
        assert_eq!(made.found(|_| ()), [""; 0], "nobody does anything");
        let both = |made: &mut Made| (0..LANES).for_each(|lane| made.round(lane, me()));
        assert_eq!(made.found(both), [""; 0]);
    }

    #[test]
    fn two_owners_of_one_lane_are_seen() {
        let mut made = Made::new();
        let found = made.found(|made| made.round(1, STRANGER));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("lane 1 is served by thread 1"),
            "{found:?}"
        );
        let taking_turns = |made: &mut Made| {
            made.round(1, me());
            made.round(1, STRANGER);
        };
        assert_eq!(made.found(taking_turns).len(), 1);
    }

    #[test]
    fn a_lane_that_is_served_without_any_lock_is_seen() {
        let mut made = Made::new();
        made.ledger.lane(0).thread.store(STRANGER, Relaxed);
        let mut port = 0;
        let serve = |made: &mut Made| {
            port += 1;
            made.ledger.lane(0).serving.store(port, Relaxed);
        };
        assert_eq!(made.found(serve).len(), 1);
    }

    #[test]
    fn an_owner_that_has_just_come_is_none_too_many() {
        let mut made = Made::new();
        made.ledger.lane(0).thread.store(STRANGER, Relaxed);
        assert_eq!(
            made.found(|_| ()),
            [""; 0],
            "it has the lock and did nothing"
        );
        let mut rounds = 0;
        let found = made.found(|made| {
            rounds += 1;
            match rounds {
                1 => made.round(0, STRANGER),
                2 => made.ledger.handover().begin(Term(2)),
                _ => made.round(0, me()),
            }
        });
        assert_eq!(found, [""; 0], "the term changed");
    }

    /// The lock of lane 1 is another thread's, which serves it well: but two processes at one time.
    #[test]
    fn lanes_of_two_processes_are_seen() {
        let made = Made::new();
        // SAFETY: this thread holds it, since `Made::new`.
        unsafe { made.ledger.lane(1).abandon(0) };
        let ledger = &made.ledger;
        thread::scope(|scope| {
            let (held, other) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                let _guard = ledger.lane(1).lock.acquire(Duration::from_secs(1)).unwrap();
                held.send(me()).unwrap();
                let _until_dropped = ended.recv();
            });
            let other = other.recv().unwrap();
            let round = |lane: u16, thread, now| {
                ledger.lane(lane).thread.store(thread, Relaxed);
                ledger.lane(lane).beat(now);
            };
            let mut now = 1000;
            let looks = [(); 3].map(|()| {
                now += 1;
                round(0, me(), now);
                round(1, other, now);
                Look::at(&made.view, 0..LANES)
            });
            let found = Looks(looks.each_ref()).contradictions(Some);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("at one time"), "{found:?}");
            drop(end);
        });
    }

    #[test]
    fn what_goes_back_is_seen() {
        let mut made = Made::new();
        let found = made.found(|made| {
            made.clock -= 2;
            made.ledger.handover().begin(Term(made.clock));
            made.ledger.lane(0).beat(made.clock);
        });
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
