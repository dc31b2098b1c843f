//! What became of the frames of one flow.

use crate::emulator::FlowReport;
use serde::Serialize;
use std::iter::Sum;

/// Frames of one flow, and the connections of its two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames handed over to be sent.
    pub sent: u64,
    /// Frames that arrived, each counted once.
    pub received: u64,
    /// Frames sent that did not arrive.
    pub lost: u64,
    /// Arrivals of a frame that had arrived before.
    pub doubled: u64,
    /// First arrivals after a frame that was sent later.
    pub reordered: u64,
    /// Arrivals of a changed frame.
    pub corrupted: u64,
    /// Frames that the sender's own full ring, or its link that was down, did not take.
    pub refused: u64,
    /// Frames that the instrument did not send because it was late itself.
    pub skipped: u64,
    /// vhost-user connections of the two ends that were closed.
    pub disconnects: u64,
    /// vhost-user connections of the two ends that were made again.
    pub reconnects: u64,
}

impl Counts {
    /// What happened between two reports of one flow, both made when nothing was in flight. What an
    /// earlier measurement gave up for lost and arrives now counts for nobody.
    pub(super) fn between(before: &FlowReport, after: &FlowReport) -> Self {
        let more = |of: fn(&FlowReport) -> u64| of(after).saturating_sub(of(before));
        Self {
            sent: more(|flow| flow.sent),
            received: more(|flow| flow.received),
            lost: more(|flow| flow.lost),
            doubled: more(|flow| flow.doubled),
            reordered: more(|flow| flow.reordered),
            corrupted: more(|flow| flow.corrupted),
            refused: more(|flow| flow.refused),
            skipped: more(|flow| flow.skipped),
            disconnects: more(|flow| flow.disconnects),
            reconnects: more(|flow| flow.reconnects),
        }
    }

    /// Whether the flow's two ends saw nothing but a gap.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.corrupted + self.disconnects == 0
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |one, other| Self {
            sent: one.sent + other.sent,
            received: one.received + other.received,
            lost: one.lost + other.lost,
            doubled: one.doubled + other.doubled,
            reordered: one.reordered + other.reordered,
            corrupted: one.corrupted + other.corrupted,
            refused: one.refused + other.refused,
            skipped: one.skipped + other.skipped,
            disconnects: one.disconnects + other.disconnects,
            reconnects: one.reconnects + other.reconnects,
        })
    }
}
