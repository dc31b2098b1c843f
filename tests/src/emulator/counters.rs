//! Counters with one writer, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter. Only one thread adds.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.get() + more, Ordering::Relaxed);
    }

    pub(crate) fn raise_to(&self, value: u64) {
        self.0.store(self.get().max(value), Ordering::Relaxed);
    }
}

/// What happened to the frames of one flow so far. Frames in flight are in `sent` only.
#[derive(Debug, Default)]
pub struct FlowCounters {
    /// Frames handed to the sender's ring or to the kernel.
    pub sent: Counter,
    /// Frames that arrived, each counted once.
    pub received: Counter,
    /// One more than the highest number that arrived. What is below it and has not arrived is lost,
    /// or late.
    pub next: Counter,
    /// Frames that could not be sent because the sender's own ring was full or its link down.
    pub refused: Counter,
    /// Frames that the instrument did not send because it was late.
    pub skipped: Counter,
    /// Arrivals of a frame that had arrived before.
    pub doubled: Counter,
    /// First arrivals after a frame that was sent later.
    pub reordered: Counter,
    /// Arrivals of a changed frame, or of one that was never sent.
    pub corrupted: Counter,
    /// Arrivals at an endpoint that the frame is not for: a switch that floods.
    pub strayed: Counter,
    /// Longest time from sending to first arrival, in nanoseconds.
    pub longest_latency: Counter,
}

impl FlowCounters {
    /// Frames that later ones have overtaken: on a path that keeps the order, all that was lost
    /// before the last arrival. What is in flight is not among them.
    pub fn missing(&self) -> u64 {
        loop {
            let received = self.received.get();
            let next = self.next.get();
            if self.received.get() == received {
                return next.saturating_sub(received);
            }
        }
    }
}
