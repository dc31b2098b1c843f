//! What the ledger holds of an instance beside its lanes.

use crate::PortId;
use crate::sync::{AtomicI32, AtomicU32, AtomicU64};
use std::sync::atomic::Ordering::*;

/// Signs of life of an instance's control thread, and what the instance died of.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct InstanceSlot {
    heartbeat: AtomicU64,
    death: AtomicU64,
    /// The control thread, as gettid(2) names it.
    pub thread: AtomicI32,
    /// The port whose front end's message is being handled, [`PortId::UPLINK`]'s number: none.
    pub serving: AtomicU32,
}

/// How an instance died by a signal of its own making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// The signal.
    pub signal: u8,
    /// The port that the dying thread was serving.
    pub port: Option<PortId>,
}

impl InstanceSlot {
    /// The control thread has gone round. CLOCK_MONOTONIC, ns; only that thread calls it.
    pub fn beat(&self, now: u64) {
        self.heartbeat.store(now, Relaxed);
    }

    /// When the control thread last went round. CLOCK_MONOTONIC, ns.
    pub fn heartbeat(&self) -> u64 {
        self.heartbeat.load(Relaxed)
    }

    /// A thread of the instance has got a fatal signal. Async-signal-safe.
    pub fn note_death(&self, death: Death) {
        let port = death.port.map_or(0, |port| u64::from(port.get()) + 1);
        let word = port << 8 | u64::from(death.signal);
        self.death.swap(word, AcqRel);
    }

    /// What was noted, once.
    pub fn take_death(&self) -> Option<Death> {
        let word = self.death.swap(0, AcqRel);
        let port = u16::try_from(word >> 8)
            .ok()
            .and_then(|port| port.checked_sub(1));
        (word != 0).then(|| Death {
            signal: word as u8,
            port: port.and_then(PortId::new),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn words_stay_where_they_are() {
        let words = [
            offset_of!(InstanceSlot, heartbeat),
            offset_of!(InstanceSlot, death),
            offset_of!(InstanceSlot, thread),
            offset_of!(InstanceSlot, serving),
            size_of::<InstanceSlot>(),
        ];
        assert_eq!(words, [0, 8, 16, 20, 64]);
    }

    #[test]
    fn a_death_is_told_once() {
        let slot = InstanceSlot::default();
        assert_eq!(slot.take_death(), None);
        for port in [None, PortId::new(0), PortId::new(511)] {
            let death = Death { signal: 11, port };
            slot.note_death(death);
            assert_eq!(slot.take_death(), Some(death));
            assert_eq!(slot.take_death(), None);
        }
    }

    #[test]
    fn any_word_is_read() {
        let slot = InstanceSlot::default();
        slot.death.store(u64::MAX, Release);
        assert_eq!(
            slot.take_death(),
            Some(Death {
                signal: 255,
                port: None
            })
        );
    }
}
