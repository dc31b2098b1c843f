//! Where a ring stands.

use std::sync::atomic::{AtomicU64, Ordering::*};

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
