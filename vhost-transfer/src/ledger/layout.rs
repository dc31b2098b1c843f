//! What stands where in the ledger. Append only.

use super::{Fdb, Handover, InstanceSlot, LaneSlot, RingSlot};
use crate::{MAX_LANES, MAX_PORTS, MAX_RINGS};
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
    pub(super) handled: [AtomicU64; MAX_PORTS as usize],
    pub(super) instances: [InstanceSlot; 2],
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

/// Where each part of layout 1 lies: instances of any version that share a ledger rely on it.
#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn parts_stay_where_they_are() {
        let parts = [
            ("magic", offset_of!(Layout, magic), size_of::<AtomicU32>()),
            (
                "version",
                offset_of!(Layout, version),
                size_of::<AtomicU32>(),
            ),
            (
                "handover",
                offset_of!(Layout, handover),
                size_of::<Handover>(),
            ),
            (
                "lanes",
                offset_of!(Layout, lanes),
                16 * size_of::<LaneSlot>(),
            ),
            (
                "counters",
                offset_of!(Layout, counters),
                512 * size_of::<PortCounters>(),
            ),
            (
                "rings",
                offset_of!(Layout, rings),
                8192 * size_of::<RingSlot>(),
            ),
            ("fdb", offset_of!(Layout, fdb), size_of::<Fdb>()),
            (
                "handled",
                offset_of!(Layout, handled),
                512 * size_of::<AtomicU64>(),
            ),
            (
                "instances",
                offset_of!(Layout, instances),
                2 * size_of::<InstanceSlot>(),
            ),
            ("end", size_of::<Layout>(), 0),
        ];
        let layout_1 = [
            ("magic", 0, 4),
            ("version", 4, 4),
            ("handover", 128, 128),
            ("lanes", 256, 2048),
            ("counters", 2304, 32_768),
            ("rings", 35_072, 524_288),
            ("fdb", 559_360, 262_144),
            ("handled", 821_504, 4096),
            ("instances", 825_600, 128),
            ("end", 827_392, 0),
        ];
        assert_eq!(parts, layout_1);
    }

    #[test]
    fn words_stay_where_they_are() {
        let words = [
            offset_of!(PortCounters, rx_packets),
            offset_of!(PortCounters, rx_bytes),
            offset_of!(PortCounters, tx_packets),
            offset_of!(PortCounters, tx_bytes),
            offset_of!(PortCounters, tx_dropped),
            offset_of!(PortCounters, rx_dropped),
        ];
        assert_eq!(words, [0, 8, 16, 24, 32, 40]);
    }

    #[test]
    fn the_version_is_read_only_from_a_ledger() {
        let header = |magic: &[u8; 4]| [&magic[..], &7u32.to_ne_bytes()].concat();
        assert_eq!(version_in(&header(b"VSLG")), 7);
        assert_eq!(version_in(&header(b"VSLW")), 0);
        assert_eq!(version_in(b"VSLG"), 0);
        assert_eq!(version_in(b""), 0);
    }
}
