//! The rule that no lane starts before all lane locks belong to this instance.

use crate::switch::Tenure;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::*};
use vhost_transfer::Term;
use vhost_transfer::ledger::{Handover, Predecessor};

/// Counts the lane locks that this instance holds, and begins a term when it has them all.
#[derive(Debug)]
pub struct Gate {
    lanes: u16,
    held: AtomicU16,
    died: AtomicBool,
    begun: AtomicU64,
}

/// What a lane that has passed the gate, or waits before it, is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Run: this term has begun.
    Open(Tenure),
    /// Other lanes have not got their locks yet.
    Shut,
}

impl Gate {
    /// A gate for so many lanes.
    pub fn new(lanes: u16) -> Self {
        Self {
            lanes,
            held: AtomicU16::new(0),
            died: AtomicBool::new(false),
            begun: AtomicU64::new(0),
        }
    }

    /// A lane has got its lock. The last one to come begins the next term.
    pub fn arrive(&self, predecessor: Predecessor, handover: &Handover) -> Passage {
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
    pub fn look(&self, last: Term) -> Passage {
        match Term(self.begun.load(Acquire)) {
            term if term > last => Passage::Open(self.tenure(term)),
            _ => Passage::Shut,
        }
    }

    /// A lane is about to let go of its lock; true for the last one.
    pub fn leave(&self) -> bool {
        let last = self.held.fetch_sub(1, AcqRel) == 1;
        if last {
            self.died.store(false, Relaxed);
        }
        last
    }

    /// No lane of this instance holds a lock.
    pub fn is_empty(&self) -> bool {
        self.held.load(Acquire) == 0
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
