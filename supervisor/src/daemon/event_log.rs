//! What happened, in the order in which it did: the log's lines with their facts.

use crate::control::protocol::{EventKind, EventReport};
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};
use vhost_transfer::InstanceId;

const KEPT: usize = 1000;

/// The newest last.
#[derive(Debug)]
pub(super) struct EventLog {
    events: VecDeque<EventReport>,
    last: u64,
}

/// Numbers begin at the time, µs, so that those of the next supervisor are above those of this one.
impl Default for EventLog {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            events: VecDeque::new(),
            last: now.map_or(0, |now| now.as_micros() as u64),
        }
    }
}

impl EventLog {
    pub(super) fn record(
        &mut self,
        kind: EventKind,
        instance: Option<InstanceId>,
        port: Option<String>,
        text: String,
    ) {
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.last += 1;
        self.events.push_back(EventReport {
            number: self.last,
            time: SystemTime::now(),
            kind,
            instance,
            port,
            text,
        });
    }

    /// Those with a number above `after`, at most the last `limit` of them.
    pub(super) fn after(&self, after: u64, limit: u32) -> Vec<EventReport> {
        let newer = self.events.iter().filter(|event| event.number > after);
        let skipped = newer.clone().count().saturating_sub(limit as usize);
        newer.skip(skipped).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_and_gives_what_is_newer() {
        let mut log = EventLog::default();
        let first = log.last;
        for number in 0..KEPT + 5 {
            log.record(EventKind::Ignored, None, None, number.to_string());
        }
        let numbers = |after, limit| {
            let events = log.after(first + after, limit);
            events
                .iter()
                .map(|event| event.number - first)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(0, u32::MAX).len(), KEPT);
        assert_eq!(numbers(0, 2), [1004, 1005]);
        assert_eq!(numbers(1003, 10), [1004, 1005]);
        assert!(numbers(1005, 10).is_empty());
    }

    #[test]
    fn the_next_log_goes_on_above_the_last() {
        let mut log = EventLog::default();
        log.record(EventKind::Ignored, None, None, String::new());
        let last = log.last;
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(EventLog::default().last > last);
    }
}
