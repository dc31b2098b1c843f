//! Signals that are owed to the guests after the lanes have changed hands.
//!
//! After a planned release nobody waits for them: the lanes before gave every signal before they let
//! go. They are for the case that one was lost on its way, and there may be hundreds, each a system
//! call that wakes somebody. So they are given a few at a time, lest a lane on the same CPU be kept from
//! its packets. After a death signals are missing, and all are given at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use vhost_transfer::PortId;

/// Devices in a row.
const TURN: usize = 8;
/// Between two turns.
const EVERY: Duration = Duration::from_millis(1);

/// The devices whose call fds are still to be signalled once.
#[derive(Debug, Default)]
pub(super) struct Signals {
    owed: VecDeque<PortId>,
    next: Option<Instant>,
}

impl Signals {
    /// From now on the devices of these ports are owed their signals.
    pub(super) fn owe(&mut self, ports: impl Iterator<Item = PortId>, now: Instant) {
        self.owed = ports.collect();
        self.plan_next(now);
    }

    /// The lanes have let go: whoever has them now owes the signals.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// When [`Self::due`] wants to be called.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whose turn it is at `now`; they are owed nothing any more.
    pub(super) fn due(&mut self, now: Instant) -> Vec<PortId> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let turn = self.owed.drain(..TURN.min(self.owed.len())).collect();
        self.plan_next(now);
        turn
    }

    fn plan_next(&mut self, now: Instant) {
        self.next = (!self.owed.is_empty()).then(|| now + EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(count: u16) -> impl Iterator<Item = PortId> {
        (1..=count).filter_map(PortId::new)
    }

    #[test]
    fn each_has_its_turn_once_and_no_turn_is_long() {
        let mut signals = Signals::default();
        let began = Instant::now();
        signals.owe(ports(255), began);
        assert_eq!(signals.due(began), [], "not at once");
        let mut given = Vec::new();
        while let Some(next) = signals.next() {
            let turn = signals.due(next);
            assert!((1..=TURN).contains(&turn.len()));
            given.extend(turn);
            assert_eq!(signals.due(next), [], "one turn at a time");
        }
        assert!(given.into_iter().eq(ports(255)));
    }

    #[test]
    fn who_has_let_go_owes_nothing() {
        let mut signals = Signals::default();
        let now = Instant::now();
        signals.owe(ports(9), now);
        signals.forget();
        assert_eq!(signals.next(), None);
        assert_eq!(signals.due(now + EVERY), []);
    }
}
