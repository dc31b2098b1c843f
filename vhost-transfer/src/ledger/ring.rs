//! Where a ring stands.

use super::Predecessor;
use crate::sync::{AtomicU16, AtomicU64};
use std::sync::atomic::Ordering::*;

/// The position of a ring, published by the lane that owns it after each burst and read by its
/// successor. It is one word, so that it is never half written.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct RingSlot {
    position: AtomicU64,
}

/// Position of a ring. Split rings count free-running 16-bit indices; packed rings count within the
/// ring and have a wrap counter each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingPosition {
    /// Next available descriptor (split: available ring index) to be read.
    pub avail: u16,
    /// Packed: driver's wrap counter at `avail`.
    pub avail_wrap: bool,
    /// Next used entry to be written.
    pub used: u16,
    /// Packed: device's wrap counter at `used`.
    pub used_wrap: bool,
}

impl RingPosition {
    /// A split ring at which everything made available before `index` has been used.
    pub fn split(index: u16) -> Self {
        Self {
            avail: index,
            used: index,
            ..Self::default()
        }
    }

    fn to_word(self) -> u64 {
        u64::from(self.avail)
            | u64::from(self.avail_wrap) << 16
            | u64::from(self.used) << 32
            | u64::from(self.used_wrap) << 48
    }

    fn from_word(word: u64) -> Self {
        Self {
            avail: word as u16,
            avail_wrap: word >> 16 & 1 == 1,
            used: (word >> 32) as u16,
            used_wrap: word >> 48 & 1 == 1,
        }
    }
}

impl RingSlot {
    /// Where the ring stands.
    pub fn position(&self) -> RingPosition {
        RingPosition::from_word(self.position.load(Acquire))
    }

    /// Shows the driver of a split ring what was used, by its `used.idx`, and publishes the position,
    /// in this order: so that a successor of a dead owner finds at most a position that is behind.
    pub fn show(&self, used_index: &AtomicU16, position: RingPosition) {
        used_index.store(position.used, Release);
        self.publish(position);
    }

    /// Where the successor in a split ring begins. What a released ring's owner published is exact. A
    /// dead owner may have used more than it published, so the used index in the guest's memory
    /// tells: completion is in order, so what was used was also taken. That is published at once,
    /// for who lets go of the ring before it has used anything.
    pub fn resume(&self, used_index: &AtomicU16, predecessor: Predecessor) -> RingPosition {
        let position = match predecessor {
            Predecessor::Released => self.position(),
            Predecessor::Died => RingPosition::split(used_index.load(Acquire)),
        };
        self.publish(position);
        position
    }

    /// Publishes where the ring stands.
    pub fn publish(&self, position: RingPosition) {
        self.position.store(position.to_word(), Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_where_they_are() {
        let position = RingPosition {
            avail: 0x1234,
            avail_wrap: true,
            used: 0x5678,
            used_wrap: true,
        };
        assert_eq!(position.to_word(), 0x0001_5678_0001_1234);
        assert_eq!(size_of::<RingSlot>(), 64);
    }

    proptest! {
        #[test]
        fn a_position_survives_its_word(avail: u16, avail_wrap: bool, used: u16, used_wrap: bool) {
            let position = RingPosition { avail, avail_wrap, used, used_wrap };
            let slot = RingSlot::default();
            slot.publish(position);
            prop_assert_eq!(slot.position(), position);
        }
    }
}
