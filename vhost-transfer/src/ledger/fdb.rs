//! The forwarding database: which address lives behind which port.
//!
//! It lies in the ledger, so that a successor knows at once what its predecessor has learned. Address
//! and port are one word, which a reader looks at once: it sees a whole entry or none, whoever
//! writes meanwhile and even when the writer died on it. Learning is best effort: of two lanes
//! that want one place, one gives up, and learns with its next packet.

use crate::PortId;
use crate::sync::{AtomicU32, AtomicU64, fence};
use std::sync::atomic::Ordering::*;

/// The number of entries is two to this power; few with loom, which looks at all that can happen.
const ORDER: u32 = if cfg!(loom) { 1 } else { 14 };
const ENTRIES: usize = 1 << ORDER;
/// Places where an address may stand.
const PROBES: usize = if cfg!(loom) { 2 } else { 16 };
const OCCUPIED: u64 = 1 << 63;

/// An Ethernet address.
pub type MacAddr = [u8; 6];

/// The table. Times are seconds of CLOCK_MONOTONIC.
#[repr(C, align(64))]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
pub struct Fdb {
    entries: [Entry; ENTRIES],
}

#[repr(C)]
#[derive(Debug)]
#[cfg_attr(loom, derive(Default))]
struct Entry {
    /// Occupied, port, address; 0 when free.
    key: AtomicU64,
    /// When the address last sent.
    seen: AtomicU32,
    _reserved: AtomicU32,
}

impl Fdb {
    /// The port behind which `mac` was seen in the last `aging` seconds.
    pub fn lookup(&self, mac: MacAddr, now: u32, aging: u32) -> Option<PortId> {
        let (entry, key) = self.find(mac)?;
        if entry.is_older(now, aging) {
            None
        } else {
            port_of(key)
        }
    }

    /// Notes that `mac` has sent a packet into `port` now. When all its places are taken by
    /// younger addresses it stays unknown, and its traffic is flooded.
    pub fn learn(&self, mac: MacAddr, port: PortId, now: u32, aging: u32) {
        match self.find(mac) {
            Some((entry, key)) => entry.refresh(key, key_of(mac, port), now),
            None => self.insert(mac, port, now, aging),
        }
    }

    /// Forgets all addresses behind `port`.
    pub fn forget(&self, port: PortId) {
        for entry in &self.entries {
            let key = entry.key.load(Acquire);
            if port_of(key) == Some(port) {
                entry.replace(key, 0);
            }
        }
    }

    /// The addresses, their ports, and when they were last seen.
    pub fn entries(&self) -> impl Iterator<Item = (MacAddr, PortId, u32)> {
        self.entries.iter().filter_map(|entry| {
            let key = entry.key.load(Acquire);
            Some((mac_of(key), port_of(key)?, entry.seen.load(Relaxed)))
        })
    }

    fn probes(&self, mac: MacAddr) -> impl Iterator<Item = (&Entry, u64)> {
        let first = hash(word(mac));
        (0..PROBES).map(move |step| {
            let entry = &self.entries[(first + step) % ENTRIES];
            (entry, entry.key.load(Acquire))
        })
    }

    fn find(&self, mac: MacAddr) -> Option<(&Entry, u64)> {
        self.probes(mac).find(|&(_, key)| holds(key, mac))
    }

    fn insert(&self, mac: MacAddr, port: PortId, now: u32, aging: u32) {
        let free = self
            .probes(mac)
            .find(|&(entry, key)| port_of(key).is_none() || entry.is_older(now, aging));
        if let Some((entry, old)) = free
            && entry.claim(old, key_of(mac, port), now)
        {
            self.leave_only_first(mac);
        }
    }

    /// Two lanes that learn one new address at a time may choose two places for it. The fence lets
    /// at least one of them see both.
    fn leave_only_first(&self, mac: MacAddr) {
        fence(SeqCst);
        let twins = self.probes(mac).filter(|&(_, key)| holds(key, mac)).skip(1);
        twins.for_each(|(entry, key)| {
            entry.replace(key, 0);
        });
    }
}

impl Entry {
    fn is_older(&self, now: u32, aging: u32) -> bool {
        now.saturating_sub(self.seen.load(Relaxed)) > aging
    }

    /// Whether the entry still had `old` and has `new` now.
    fn replace(&self, old: u64, new: u64) -> bool {
        self.key.compare_exchange(old, new, AcqRel, Relaxed).is_ok()
    }

    /// Takes the place of `old`. It is free in between, so that at no instant `old` looks young.
    fn claim(&self, old: u64, new: u64, now: u32) -> bool {
        if old != 0 && !self.replace(old, 0) {
            return false;
        }
        self.seen.store(now, Relaxed);
        self.replace(0, new)
    }

    /// Writes only what changes: a busy address must not make its cache line travel.
    fn refresh(&self, old: u64, new: u64, now: u32) {
        if old != new && !self.replace(old, new) {
            return;
        }
        if self.seen.load(Relaxed) != now {
            self.seen.store(now, Relaxed);
        }
    }
}

fn key_of(mac: MacAddr, port: PortId) -> u64 {
    OCCUPIED | u64::from(port.get()) << 48 | word(mac)
}

fn holds(key: u64, mac: MacAddr) -> bool {
    key & OCCUPIED != 0 && mac_of(key) == mac
}

fn word(mac: MacAddr) -> u64 {
    mac.iter()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn mac_of(key: u64) -> MacAddr {
    let bytes = key.to_be_bytes();
    [bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]
}

fn port_of(key: u64) -> Option<PortId> {
    if key & OCCUPIED == 0 {
        None
    } else {
        PortId::new((key >> 48) as u16 & 0x7fff)
    }
}

/// Fibonacci hashing: the highest bits of the product depend on all bits of the word.
fn hash(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - ORDER)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn words_stay_where_they_are() {
        let entry = [
            offset_of!(Entry, key),
            offset_of!(Entry, seen),
            size_of::<Entry>(),
        ];
        assert_eq!(entry, [0, 8, 16]);
        let port = PortId::new(0x1ab).expect("in range");
        assert_eq!(key_of([1, 2, 3, 4, 5, 6], port), 0x81ab_0102_0304_0506);
    }

    /// Where an address stands is part of the layout: a successor must look there.
    #[test]
    fn places_stay_where_they_are() {
        let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
        assert_eq!(hash(word(mac)), 9_893);
        assert_eq!(hash(word([0; 6])), 0);
    }
}
