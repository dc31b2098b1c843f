//! The rule that no lane starts before all lane locks belong to this instance, and what a lane does
//! from getting its lock to having let it go.

use super::{Handover, LaneGuard, LaneSlot, Predecessor};
use crate::Term;
use crate::sync::{AtomicBool, AtomicU16, AtomicU64, yield_now};
use std::sync::atomic::Ordering::*;

/// An ownership of the lanes, as a lane that has it knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// Its number.
    pub term: Term,
    /// How the lanes were found.
    pub predecessor: Predecessor,
}

/// Counts the lane locks that this instance holds, and begins a term when it has them all.
///
/// Two instances may want the lanes at a time: one that let go, and found no successor in its time,
/// and the successor that comes late. Each might get some of the locks and wait for the others. So
/// the first lane decides: who has it waits, and another one's lane lets go again.
#[derive(Debug)]
pub struct Gate {
    lanes: u16,
    /// The first lane of this instance has its lock.
    decided: AtomicBool,
    held: AtomicU16,
    died: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    emptied: AtomicU64,
}

/// The thread that runs a lane.
pub trait Tenant {
    /// Whether its lane is the first one.
    fn is_first(&self) -> bool;

    /// CLOCK_MONOTONIC, ns.
    fn now(&self) -> u64;

    /// The lane is to leave.
    fn must_leave(&self) -> bool;

    /// It has had the lock for long, and the first lane of its instance has not come.
    fn is_impatient(&self) -> bool;

    /// Serves until the term ends.
    fn serve(&mut self, tenure: Tenure);

    /// The next thing done is letting go of the lock.
    fn lets_go(&mut self);
}

/// How a lane let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// After it had served this term.
    Served {
        /// Its number.
        term: Term,
        /// No lane of this instance has its lock now.
        all: bool,
    },
    /// It was told to leave, or another instance has the first lane.
    Unserved,
}

enum Passage {
    Open(Tenure),
    Shut,
}

impl Gate {
    /// A gate for so many lanes.
    pub fn new(lanes: u16) -> Self {
        Self {
            lanes,
            decided: AtomicBool::new(false),
            held: AtomicU16::new(0),
            died: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            emptied: AtomicU64::new(0),
        }
    }

    /// From getting a lane's lock to having let go of it. `last` is the term that this lane served
    /// before.
    pub fn hold(
        &self,
        handover: &Handover,
        slot: &LaneSlot,
        guard: LaneGuard<'_>,
        last: Term,
        tenant: &mut impl Tenant,
    ) -> Left {
        let predecessor = slot.left_by(&guard);
        if predecessor == Predecessor::Died {
            slot.note_died();
        }
        let left = if self.waits_for_first(tenant) {
            self.cross(handover, slot, predecessor, last, tenant)
        } else {
            Left::Unserved
        };
        if left == Left::Unserved && predecessor == Predecessor::Died {
            slot.leave_unserved();
        }
        tenant.lets_go();
        drop(guard);
        left
    }

    /// Ends a term for all lanes: all of them go, or none.
    pub fn end(&self, term: Term) {
        self.ended.store(term.0, Release);
    }

    /// Whether [`Self::end`] was called for this term.
    pub fn has_ended(&self, term: Term) -> bool {
        self.ended.load(Acquire) == term.0
    }

    /// Whether a lane that let go after term `last` may ask for its lock again: it was succeeded, or
    /// nobody is going to, by `patience_is_over` or because the release word was revoked. Not before
    /// all lanes have let go, else the term would begin with some of them still at the last one's end;
    /// but then whether or not others have their locks again, for these wait for it.
    pub fn may_return(&self, handover: &Handover, last: Term, patience_is_over: bool) -> bool {
        let all_have_gone = || Term(self.emptied.load(Acquire)) >= last;
        handover.term() > last
            || (patience_is_over || !handover.must_release(last)) && all_have_gone()
    }

    /// No lane of this instance holds a lock.
    pub fn is_empty(&self) -> bool {
        self.held.load(Acquire) == 0
    }

    /// Whether the first lane of this instance has its lock; `false` when the wait is over before.
    fn waits_for_first(&self, tenant: &impl Tenant) -> bool {
        if tenant.is_first() {
            self.decided.store(true, Release);
        }
        while !self.decided.load(Acquire) {
            if tenant.must_leave() || tenant.is_impatient() {
                return false;
            }
            yield_now();
        }
        true
    }

    /// From arriving at the gate to having left it.
    fn cross(
        &self,
        handover: &Handover,
        slot: &LaneSlot,
        predecessor: Predecessor,
        last: Term,
        tenant: &mut impl Tenant,
    ) -> Left {
        let tenure = self.pass(handover, predecessor, last, tenant);
        if let Some(tenure) = tenure {
            slot.note_resumed(tenant.now());
            tenant.serve(tenure);
            slot.note_released(tenant.now());
        }
        if tenant.is_first() {
            self.decided.store(false, Release);
        }
        let (all, begun) = self.leave(last);
        match tenure {
            Some(Tenure { term, .. }) => {
                if all {
                    self.emptied.store(term.0, Release);
                }
                Left::Served { term, all }
            }
            None => {
                if begun {
                    slot.leave_unserved();
                }
                Left::Unserved
            }
        }
    }

    /// Waits until all lanes of this instance have their locks; `None` when told to leave.
    fn pass(
        &self,
        handover: &Handover,
        predecessor: Predecessor,
        last: Term,
        tenant: &impl Tenant,
    ) -> Option<Tenure> {
        let mut passage = self.arrive(predecessor, handover);
        loop {
            match passage {
                Passage::Open(tenure) => return Some(tenure),
                Passage::Shut if tenant.must_leave() => return None,
                Passage::Shut => yield_now(),
            }
            passage = self.look(last);
        }
    }

    /// A lane has got its lock. The last one to come begins the next term.
    fn arrive(&self, predecessor: Predecessor, handover: &Handover) -> Passage {
        if predecessor == Predecessor::Died {
            self.died.store(true, Relaxed);
        }
        if self.held.fetch_add(1, AcqRel) + 1 < self.lanes {
            return Passage::Shut;
        }
        let term = handover.term().next();
        handover.begin(term);
        self.begun.store(term.0, Release);
        Passage::Open(self.tenure(term))
    }

    /// For a lane that arrived after term `last`: whether the next term has begun.
    fn look(&self, last: Term) -> Passage {
        match self.begun() {
            term if term > last => Passage::Open(self.tenure(term)),
            _ => Passage::Shut,
        }
    }

    /// A lane is about to let go of its lock: whether it is the last one to, and whether a term after
    /// `last` has begun or is about to.
    fn leave(&self, last: Term) -> (bool, bool) {
        let held = self.held.fetch_sub(1, AcqRel);
        let is_last = held == 1;
        if is_last {
            self.died.store(false, Relaxed);
        }
        (is_last, held == self.lanes || self.begun() > last)
    }

    fn begun(&self) -> Term {
        Term(self.begun.load(Acquire))
    }

    fn tenure(&self, term: Term) -> Tenure {
        let died = self.died.load(Relaxed);
        Tenure {
            term,
            predecessor: if died {
                Predecessor::Died
            } else {
                Predecessor::Released
            },
        }
    }
}
