//! The forwarding database: which address lives behind which port.
//!
//! It lies in the ledger, so that a successor knows at once what its predecessor has learned. An
//! entry is one word: a reader sees a whole entry or none, even when the writer died on it.

use crate::PortId;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Entries; a power of two.
const ENTRIES: usize = 1 << 14;
/// Places where an address may stand.
const PROBES: usize = 16;
const OCCUPIED: u64 = 1 << 63;

/// An Ethernet address.
pub type MacAddr = [u8; 6];

/// The table. Times are seconds of CLOCK_MONOTONIC.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Fdb {
    entries: [Entry; ENTRIES],
}

#[repr(C)]
#[derive(Debug)]
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
        let entry = self.probes(mac).find(|entry| entry.holds(mac))?;
        if entry.is_older(now, aging) {
            None
        } else {
            entry.port()
        }
    }

    /// Notes that `mac` has sent a packet into `port` now. When all its places are taken by
    /// younger addresses it stays unknown, and its traffic is flooded.
    pub fn learn(&self, mac: MacAddr, port: PortId, now: u32, aging: u32) {
        let known = self.probes(mac).find(|entry| entry.holds(mac));
        let free = || {
            self.probes(mac)
                .find(|entry| entry.port().is_none() || entry.is_older(now, aging))
        };
        if let Some(entry) = known.or_else(free) {
            entry.set(mac, port, now);
        }
    }

    /// Forgets all addresses behind `port`.
    pub fn forget(&self, port: PortId) {
        for entry in self
            .entries
            .iter()
            .filter(|entry| entry.port() == Some(port))
        {
            entry.key.store(0, Release);
        }
    }

    /// The addresses, their ports, and when they were last seen.
    pub fn entries(&self) -> impl Iterator<Item = (MacAddr, PortId, u32)> {
        self.entries.iter().filter_map(|entry| {
            let key = entry.key.load(Acquire);
            Some((mac_of(key), port_of(key)?, entry.seen.load(Relaxed)))
        })
    }

    fn probes(&self, mac: MacAddr) -> impl Iterator<Item = &Entry> {
        let first = hash(word(mac)) as usize;
        (0..PROBES).map(move |step| &self.entries[(first + step) % ENTRIES])
    }
}

impl Entry {
    fn holds(&self, mac: MacAddr) -> bool {
        let key = self.key.load(Acquire);
        key & OCCUPIED != 0 && mac_of(key) == mac
    }

    fn port(&self) -> Option<PortId> {
        port_of(self.key.load(Acquire))
    }

    fn is_older(&self, now: u32, aging: u32) -> bool {
        now.saturating_sub(self.seen.load(Relaxed)) > aging
    }

    /// Writes only what changes: a busy address must not make its cache line travel.
    fn set(&self, mac: MacAddr, port: PortId, now: u32) {
        let key = OCCUPIED | u64::from(port.get()) << 48 | word(mac);
        if self.seen.load(Relaxed) != now {
            self.seen.store(now, Relaxed);
        }
        if self.key.load(Relaxed) != key {
            self.key.store(key, Release);
        }
    }
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

/// Fibonacci hashing: the high bits of the product depend on all bits of the word.
fn hash(word: u64) -> u64 {
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}
