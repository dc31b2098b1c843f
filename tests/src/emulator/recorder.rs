//! Tells first arrivals, doubled and reordered ones apart, exactly and for the whole run.

use std::sync::Arc;

use super::arrivals::Arrivals;
use super::clock::Nanos;
use super::counters::FlowCounters;
use super::frame::Content;
use super::twins::{FirstArrivals, Twins};

/// The receiving side of one flow.
#[derive(Debug)]
pub(crate) struct Recorder {
    counters: Arc<FlowCounters>,
    arrivals: Arc<Arrivals>,
    first: FirstArrivals,
    twins: Arc<Twins>,
    /// One bit a sequence number.
    seen: Vec<u64>,
}

impl Recorder {
    /// A recorder with room for `frames` frames before it has to allocate.
    pub(crate) fn new(
        counters: Arc<FlowCounters>,
        arrivals: Arc<Arrivals>,
        twins: Arc<Twins>,
        frames: usize,
    ) -> Self {
        Self {
            counters,
            arrivals,
            first: FirstArrivals::default(),
            twins,
            seen: Vec::with_capacity(frames / 64 + 1),
        }
    }

    /// Counts a whole frame that arrived where it should.
    pub(crate) fn record(&mut self, content: Content, now: Nanos) {
        if content.sequence >= self.counters.sent.get() {
            return self.counters.corrupted.add(1);
        }
        if !self.mark(content.sequence) {
            let Content {
                sequence, sent_at, ..
            } = content;
            self.first.again(&self.twins, sequence, sent_at, now);
            return self.counters.doubled.add(1);
        }
        self.first.note(content.sequence, now);
        if content.sequence < self.counters.next.get() {
            self.counters.reordered.add(1);
        }
        self.counters.next.raise_to(content.sequence + 1);
        self.counters.received.add(1);
        self.counters
            .longest_latency
            .raise_to(now.saturating_sub(content.sent_at));
        self.arrivals.push(now);
    }

    /// Returns whether the number was new.
    fn mark(&mut self, sequence: u64) -> bool {
        let (word, bit) = ((sequence / 64) as usize, 1 << (sequence % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(sent: u64, order: &[u64]) -> Arc<FlowCounters> {
        let counters = Arc::new(FlowCounters::default());
        counters.sent.add(sent);
        let mut recorder = Recorder::new(
            counters.clone(),
            Arc::new(Arrivals::new(10)),
            Arc::default(),
            1,
        );
        for (now, sequence) in (1..).zip(order) {
            recorder.record(
                Content {
                    flow: 0,
                    sequence: *sequence,
                    sent_at: 0,
                },
                now,
            );
        }
        counters
    }

    #[test]
    fn a_clean_run_counts_only_arrivals() {
        let counters = counters(200, &(0..200).collect::<Vec<_>>());
        assert_eq!(counters.received.get(), 200);
        assert_eq!(
            counters.doubled.get() + counters.reordered.get() + counters.corrupted.get(),
            0
        );
        assert_eq!(counters.longest_latency.get(), 200);
    }

    #[test]
    fn doubled_is_not_received() {
        let counters = counters(3, &[0, 1, 1, 2, 0]);
        assert_eq!((counters.received.get(), counters.doubled.get()), (3, 2));
        assert_eq!(counters.reordered.get(), 0);
    }

    #[test]
    fn what_was_passed_over_is_missing() {
        let counters = counters(9, &[0, 1, 4, 4, 5]);
        assert_eq!((counters.next.get(), counters.missing()), (6, 2));
    }

    #[test]
    fn a_swap_is_one_reordered_frame() {
        let counters = counters(4, &[0, 2, 1, 3]);
        assert_eq!((counters.received.get(), counters.reordered.get()), (4, 1));
    }

    #[test]
    fn a_late_frame_is_reordered_however_late() {
        let order: Vec<u64> = (1..100_000).chain([0]).collect();
        let counters = counters(100_000, &order);
        assert_eq!(
            (counters.received.get(), counters.reordered.get()),
            (100_000, 1)
        );
    }

    #[test]
    fn a_number_that_was_never_sent_is_corrupted() {
        let counters = counters(3, &[0, 3, u64::MAX]);
        assert_eq!((counters.received.get(), counters.corrupted.get()), (1, 2));
    }
}
