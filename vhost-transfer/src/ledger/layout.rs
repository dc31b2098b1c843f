//! What stands where in the ledger. Append only.

use super::{Fdb, LaneSlot, RingSlot};
use crate::{MAX_LANES, MAX_PORTS, MAX_RINGS, Term};
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Version of the layout; two instances share a ledger only if both know this one.
pub const LAYOUT_VERSION: u32 = 1;

/// First bytes of every ledger.
const MAGIC: [u8; 4] = *b"VSLG";
/// Bytes of magic and version, which stay where they are in every version.
pub(super) const HEADER_LEN: usize = 8;

#[repr(C, align(4096))]
#[derive(Debug)]
pub(super) struct Layout {
    magic: AtomicU32,
    version: AtomicU32,
    pub(super) handover: Handover,
    pub(super) lanes: [LaneSlot; MAX_LANES as usize],
    pub(super) counters: [PortCounters; MAX_PORTS as usize],
    pub(super) rings: [RingSlot; MAX_PORTS as usize * MAX_RINGS as usize],
    pub(super) fdb: Fdb,
}

impl Layout {
    /// Makes the locks; all the rest is well as zeroes. The version comes last.
    pub(super) fn initialise(&self) -> io::Result<()> {
        self.lanes
            .iter()
            .try_for_each(|lane| lane.lock.initialise())?;
        self.magic.store(u32::from_ne_bytes(MAGIC), Relaxed);
        self.version.store(LAYOUT_VERSION, Release);
        Ok(())
    }
}

/// The version that the first bytes of a ledger tell, 0 when they are not those of a ledger.
pub(super) fn version_in(header: &[u8]) -> u32 {
    match header.split_first_chunk() {
        Some((&MAGIC, version)) => version.try_into().map_or(0, u32::from_ne_bytes),
        Some(_) | None => 0,
    }
}

/// Whose turn it is.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Handover {
    term: AtomicU64,
    release: AtomicU64,
}

impl Handover {
    /// The term of the lanes that run, or ran last.
    pub fn term(&self) -> Term {
        Term(self.term.load(Acquire))
    }

    /// Begins a term. Only who holds all lane locks may do this.
    pub fn begin(&self, term: Term) {
        self.term.store(term.0, Release);
    }

    /// Asks the lanes of all terms before `term` to drain and to let go of their locks: the last
    /// step of a handover that can be taken back by nobody.
    pub fn release_for(&self, term: Term) {
        self.release.store(term.0, Release);
    }

    /// Whether the lanes of `term` are asked to let go.
    pub fn must_release(&self, term: Term) -> bool {
        self.release.load(Acquire) > term.0
    }
}

/// Packets of a port, counted by the lanes and kept through every move.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct PortCounters {
    /// Packets that came in by this port.
    pub rx_packets: AtomicU64,
    /// Their bytes.
    pub rx_bytes: AtomicU64,
    /// Packets that went out by this port.
    pub tx_packets: AtomicU64,
    /// Their bytes.
    pub tx_bytes: AtomicU64,
    /// Packets for this port that found no room there.
    pub tx_dropped: AtomicU64,
    /// Packets from this port that could not be read or led nowhere.
    pub rx_dropped: AtomicU64,
}
