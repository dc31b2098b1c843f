//! Where the owner of a ring stands in it.

use super::{Ring, RingError};
use vhost_transfer::Term;
use vhost_transfer::ledger::{Predecessor, RingPosition, RingSlot};

/// The owner's place in a ring, good for one term. The ledger has its published copy.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    /// Next chain to take, free-running.
    pub(super) avail: u16,
    /// Next used entry to write, free-running; entries up to it are written but not all published.
    pub(super) used: u16,
    /// Used index published last.
    pub(super) published: u16,
    /// Used index at which the driver was last considered for an interrupt; unknown after a takeover.
    pub(super) signalled: Option<u16>,
    /// The ring broke its rules and is left alone.
    pub(super) broken: Option<RingError>,
    term: Term,
}

impl Cursor {
    /// A cursor of no term: [`Cursor::refresh`] finds its place.
    pub fn unplaced() -> Self {
        Self {
            avail: 0,
            used: 0,
            published: 0,
            signalled: None,
            broken: None,
            term: Term(0),
        }
    }

    /// It has its place in this term.
    pub fn is_of(&self, term: Term) -> bool {
        self.term == term
    }

    /// Finds its place at the first poll of a term.
    pub fn place(&mut self, ring: &Ring, slot: &RingSlot, term: Term, predecessor: Predecessor) {
        let position = slot.resume(ring.parts.used_index(), predecessor);
        ring.parts.suppress_kicks();
        *self = Self {
            avail: position.avail,
            used: position.used,
            published: position.used,
            signalled: None,
            broken: None,
            term,
        };
    }

    /// The ring is not to be touched in this term, and why.
    pub fn leave_alone(&mut self, term: Term, error: RingError) {
        *self = Self {
            broken: Some(error),
            term,
            ..Self::unplaced()
        };
    }

    /// The driver may have another call fd now, and is considered for an interrupt with the next packet.
    pub fn forget_signals(&mut self) {
        self.signalled = None;
    }

    /// The rule that the ring broke, if it did.
    pub fn broken(&self) -> Option<RingError> {
        self.broken
    }

    pub(super) fn position(&self) -> RingPosition {
        RingPosition {
            avail: self.avail,
            used: self.used,
            ..RingPosition::default()
        }
    }
}
