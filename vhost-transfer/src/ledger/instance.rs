//! What the ledger holds of an instance beside its lanes.

use crate::PortId;
use crate::sync::{AtomicI32, AtomicU32, AtomicU64};
use std::sync::atomic::Ordering::*;

/// Signs of life of an instance's control thread, what the instance died of, and what its uplink hears.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct InstanceSlot {
    heartbeat: AtomicU64,
    death: AtomicU64,
    /// The control thread, as gettid(2) names it.
    pub thread: AtomicI32,
    /// The port whose front end's message is being handled, [`PortId::UPLINK`]'s number: none.
    pub serving: AtomicU32,
    asked: AtomicU64,
    heard: AtomicU64,
    received: AtomicU64,
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

/// What [`InstanceSlot::heard`] is from the start of a process on.
const LISTENS_NOT: u64 = 0;
const LISTENS: u64 = 1;
/// The least token of a probe.
const FIRST_TOKEN: u64 = 2;

/// What an instance has heard of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It does not look for them: nothing follows from its silence.
    NotListening,
    /// None yet.
    Nothing,
    /// The newest one that was asked for, by its token.
    Token(u64),
}

/// Probes: the supervisor asks, and whoever polls the instance's uplink answers.
impl InstanceSlot {
    /// A process is about to start that may not look for probes. The supervisor's.
    pub fn forget_probes(&self) {
        self.asked.store(0, Relaxed);
        self.heard.store(LISTENS_NOT, Relaxed);
    }

    /// The process looks for probes. The instance's, before it is warm.
    pub fn listen(&self) {
        self.heard.store(LISTENS, Relaxed);
    }

    /// A probe with a token made of these random bits is under way from here on; the token. The
    /// supervisor's.
    pub fn ask(&self, random: u64) -> u64 {
        let token = random.max(FIRST_TOKEN);
        self.asked.store(token, Release);
        token
    }

    /// A probe has come through the uplink. One that was not asked for, or an old one, changes nothing.
    pub fn hear(&self, token: u64) {
        if token >= FIRST_TOKEN && token == self.asked.load(Acquire) {
            self.heard.store(token, Release);
        }
    }

    /// What has been heard.
    pub fn heard(&self) -> Heard {
        match self.heard.load(Acquire) {
            LISTENS_NOT => Heard::NotListening,
            LISTENS => Heard::Nothing,
            token => Heard::Token(token),
        }
    }

    /// So many packets more have been taken from the uplink, wanted or not.
    pub fn count_received(&self, packets: u64) {
        self.received.fetch_add(packets, Relaxed);
    }

    /// Packets that were taken from the uplink so far.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
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
            offset_of!(InstanceSlot, asked),
            offset_of!(InstanceSlot, heard),
            offset_of!(InstanceSlot, received),
            size_of::<InstanceSlot>(),
        ];
        assert_eq!(words, [0, 8, 16, 20, 24, 32, 40, 64]);
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
    fn only_the_probe_that_was_asked_for_is_heard() {
        let slot = InstanceSlot::default();
        slot.hear(0);
        assert_eq!(slot.heard(), Heard::NotListening);
        slot.listen();
        for token in [0, 1, 2] {
            slot.hear(token);
            assert_eq!(slot.heard(), Heard::Nothing, "nothing was asked");
        }
        let first = slot.ask(0);
        slot.hear(first + 1);
        assert_eq!(slot.heard(), Heard::Nothing);
        slot.hear(first);
        assert_eq!(slot.heard(), Heard::Token(first));
        let second = slot.ask(u64::MAX);
        slot.hear(first);
        assert_eq!(slot.heard(), Heard::Token(first), "an old one is no news");
        slot.hear(second);
        assert_eq!(slot.heard(), Heard::Token(second));
        slot.forget_probes();
        slot.hear(second);
        assert_eq!(slot.heard(), Heard::NotListening);
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
