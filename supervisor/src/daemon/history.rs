//! The last moves, starts and ends.

use crate::control::protocol::{HistoryEntry, MoveKind, Phase};
use std::collections::VecDeque;
use vhost_transfer::InstanceId;

const KEPT: usize = 1000;
const FIRST_PACKET: &str = "first packet";

/// Newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<HistoryEntry>,
    /// The last first packet, for a move that is told of later.
    packet: Option<FirstPacket>,
}

#[derive(Debug, Clone, Copy)]
struct FirstPacket {
    term: u64,
    us: u64,
}

impl History {
    pub(super) fn record(&mut self, mut entry: HistoryEntry) {
        if let Some(packet) = self.packet.take_if(|packet| packet.is_of(&entry)) {
            packet.add_to(&mut entry);
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The first packet of `term` was forwarded `us` after the lanes had begun.
    pub(super) fn first_packet(&mut self, term: u64, us: u64) {
        let packet = FirstPacket { term, us };
        match self.newest(|entry| packet.is_of(entry)) {
            Some(entry) => packet.add_to(entry),
            None => self.packet = Some(packet),
        }
    }

    /// What else took time when `id` was started last, or had ended: by `kind`.
    pub(super) fn add_to(&mut self, kind: MoveKind, id: InstanceId, phase: Phase) {
        if let Some(entry) = self.newest(|entry| entry.kind == kind && entry.to == Some(id)) {
            entry.phases.push(phase);
        }
    }

    /// The last failover away from `id` whose old process has not ended yet.
    pub(super) fn open_failover(&mut self, id: InstanceId) -> Option<&mut HistoryEntry> {
        let last = self.newest(|entry| entry.from == Some(id) && entry.failover.is_some())?;
        let ended = last.failover.as_ref().is_some_and(|report| report.ended);
        (!ended).then_some(last)
    }

    /// The last `limit` of them, newest last.
    pub(super) fn last(&self, limit: u32) -> Vec<HistoryEntry> {
        let skipped = self.entries.len().saturating_sub(limit as usize);
        self.entries.iter().skip(skipped).cloned().collect()
    }

    fn newest(&mut self, wanted: impl Fn(&HistoryEntry) -> bool) -> Option<&mut HistoryEntry> {
        self.entries.iter_mut().rev().find(|entry| wanted(entry))
    }
}

impl FirstPacket {
    fn is_of(&self, entry: &HistoryEntry) -> bool {
        entry.term == self.term && entry.kind.begins_term()
    }

    /// Of a term there is one, however often it is told.
    fn add_to(self, entry: &mut HistoryEntry) {
        if entry.phases.iter().any(|phase| phase.name == FIRST_PACKET) {
            return;
        }
        entry.phases.push(Phase {
            name: FIRST_PACKET.to_owned(),
            us: self.us,
            at_us: entry.total_us,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Outcome;
    use std::time::SystemTime;

    fn promote(term: u64) -> HistoryEntry {
        HistoryEntry {
            time: SystemTime::UNIX_EPOCH,
            kind: MoveKind::Promote,
            term,
            from: Some(InstanceId::A),
            to: Some(InstanceId::B),
            cause: "asked for".to_owned(),
            outcome: Outcome::Done,
            freeze_us: None,
            total_us: Some(40),
            discarded: 0,
            failover: None,
            phases: Vec::new(),
        }
    }

    #[test]
    fn a_term_has_one_first_packet_told_before_or_after_it() {
        let mut history = History::default();
        history.first_packet(2, 7);
        history.record(promote(2));
        history.record(promote(3));
        history.first_packet(3, 9);
        for again in 0..3 {
            history.first_packet(3, again);
        }
        let packets = history.last(2).into_iter().map(|entry| {
            let phases = entry.phases.into_iter();
            phases
                .map(|phase| (phase.us, phase.at_us))
                .collect::<Vec<_>>()
        });
        let packets: Vec<_> = packets.collect();
        assert_eq!(packets, [[(7, Some(40))], [(9, Some(40))]]);
    }
}
