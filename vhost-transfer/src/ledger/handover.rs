//! Whose turn it is, in two words.

use crate::Term;
use crate::sync::AtomicU64;
use std::sync::atomic::Ordering::*;

/// Whose turn it is.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub struct Handover {
    term: AtomicU64,
    release: AtomicU64,
}

impl Handover {
    /// The term of the lanes that run, or ran last.
    pub fn term(&self) -> Term {
        Term(self.term.load(Acquire))
    }

    /// Begins a term. Only who holds all lane locks may do this.
    pub fn begin(&self, term: Term) {
        self.term.store(term.0, Release);
    }

    /// Asks the lanes of all terms before `term` to drain and to let go of their locks: the commit
    /// point of a handover.
    pub fn release_for(&self, term: Term) {
        self.release.store(term.0, Release);
    }

    /// Takes [`Self::release_for`] back, if it was for `term`: its successor is dead. Lanes that have
    /// let go take their locks again.
    pub fn revoke(&self, term: Term) {
        let before = term.0.saturating_sub(1);
        // Another term's word stands: then there is nothing to be taken back.
        let _ = self
            .release
            .compare_exchange(term.0, before, AcqRel, Acquire);
    }

    /// Whether the lanes of `term` are asked to let go.
    pub fn must_release(&self, term: Term) -> bool {
        self.release.load(Acquire) > term.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn words_stay_where_they_are() {
        assert_eq!(
            [offset_of!(Handover, term), offset_of!(Handover, release)],
            [0, 8]
        );
    }
}
