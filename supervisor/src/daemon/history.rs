//! The last moves, starts and ends.

use crate::control::protocol::HistoryEntry;
use std::collections::VecDeque;

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

    /// The last `limit` of them, newest last.
    pub(super) fn last(&self, limit: u32) -> Vec<HistoryEntry> {
        let skipped = self.entries.len().saturating_sub(limit as usize);
        self.entries.iter().skip(skipped).cloned().collect()
    }
}
