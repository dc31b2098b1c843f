//! The last moves, starts and ends.

use crate::control::protocol::HistoryEntry;
use std::collections::VecDeque;
use vhost_transfer::InstanceId;

const KEPT: usize = 1000;

/// Newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<HistoryEntry>,
}

impl History {
    pub(super) fn record(&mut self, entry: HistoryEntry) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The last failover away from `id` whose old process has not ended yet.
    pub(super) fn open_failover(&mut self, id: InstanceId) -> Option<&mut HistoryEntry> {
        let mut entries = self.entries.iter_mut().rev();
        let last = entries.find(|entry| entry.from == Some(id) && entry.failover.is_some())?;
        let ended = last.failover.as_ref().is_some_and(|report| report.ended);
        (!ended).then_some(last)
    }

    /// The last `limit` of them, newest last.
    pub(super) fn last(&self, limit: u32) -> Vec<HistoryEntry> {
        let skipped = self.entries.len().saturating_sub(limit as usize);
        self.entries.iter().skip(skipped).cloned().collect()
    }
}
