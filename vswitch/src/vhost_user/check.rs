//! What holds of every device, whoever made it: the front end's requests or another instance.

use super::Refusal;
use super::features::{RINGS, protocol, virtio};
use crate::memory::PAGE;
use vhost_transfer::device::{MemoryRegion, RingState};
use vhost_transfer::{DeviceState, MAX_MEMORY_REGIONS};

/// Whether this version can serve such a device.
///
/// # Errors
/// The first rule that is broken.
pub fn check(state: &DeviceState) -> Result<(), Refusal> {
    offered(state)?;
    memory(state)?;
    (0..)
        .zip(&state.rings)
        .try_for_each(|(index, ring)| match ring.started {
            true => started(index, ring, &state.memory),
            false => Ok(()),
        })
}

fn offered(state: &DeviceState) -> Result<(), Refusal> {
    let features = state.features & !virtio::OFFERED;
    let protocol_features = state.protocol_features & !protocol::OFFERED;
    if features != 0 {
        return Err(Refusal::Features(features));
    }
    if protocol_features != 0 {
        return Err(Refusal::ProtocolFeatures(protocol_features));
    }
    match state.rings.len() {
        rings if rings > usize::from(RINGS) => Err(Refusal::RingIndex(rings as u32 - 1)),
        _ => Ok(()),
    }
}

fn memory(state: &DeviceState) -> Result<(), Refusal> {
    let (regions, got) = (&state.memory, state.memory.len());
    let limit = MAX_MEMORY_REGIONS.min(usize::from(state.memory_slots));
    if got > limit {
        return Err(Refusal::RegionCount { got, limit });
    }
    regions.iter().try_for_each(region)?;
    apart("guest address", regions, |region| region.guest_addr)?;
    apart("user address", regions, |region| region.user_addr)
}

fn region(region: &MemoryRegion) -> Result<(), Refusal> {
    let size = region.size;
    if size == 0 {
        return Err(Refusal::RegionEmpty(region.guest_addr));
    }
    let addresses = [
        ("guest address", region.guest_addr),
        ("user address", region.user_addr),
        ("offset", region.mmap_offset),
    ];
    addresses.into_iter().try_for_each(|(field, start)| {
        if start % PAGE != 0 {
            return Err(Refusal::RegionAlignment {
                field,
                value: start,
            });
        }
        start
            .checked_add(size)
            .map(drop)
            .ok_or(Refusal::RegionWraps { field, start, size })
    })
}

/// No two regions share an address; none wraps, which was checked.
fn apart(
    field: &'static str,
    regions: &[MemoryRegion],
    start: fn(&MemoryRegion) -> u64,
) -> Result<(), Refusal> {
    let mut ranges: Vec<_> = regions
        .iter()
        .map(|r| (start(r), start(r) + r.size))
        .collect();
    ranges.sort_unstable();
    let overlap = ranges.windows(2).find(|pair| pair[0].1 > pair[1].0);
    overlap.map_or(Ok(()), |pair| {
        Err(Refusal::RegionsOverlap {
            field,
            first: pair[0].0,
            second: pair[1].0,
        })
    })
}

/// Sizes and alignments: virtio 1.2, section 2.7.
fn started(index: u16, ring: &RingState, memory: &[MemoryRegion]) -> Result<(), Refusal> {
    if ring.size == 0 {
        return Err(Refusal::RingUnsized(index));
    }
    if !ring.size.is_power_of_two() {
        return Err(Refusal::RingSize(ring.size.into()));
    }
    let entries = u64::from(ring.size);
    let parts = [
        ("descriptor table", ring.desc_addr, 16 * entries, 16),
        ("avail ring", ring.avail_addr, 6 + 2 * entries, 2),
        ("used ring", ring.used_addr, 6 + 8 * entries, 4),
    ];
    parts.into_iter().try_for_each(|(part, addr, len, align)| {
        if addr % align != 0 {
            return Err(Refusal::RingAlignment {
                ring: index,
                part,
                addr,
                align,
            });
        }
        match memory.iter().any(|region| holds(region, addr, len)) {
            true => Ok(()),
            false => Err(Refusal::RingOutside {
                ring: index,
                part,
                addr,
                len,
            }),
        }
    })
}

fn holds(region: &MemoryRegion, addr: u64, len: u64) -> bool {
    addr.checked_sub(region.user_addr)
        .and_then(|offset| offset.checked_add(len))
        .is_some_and(|end| end <= region.size)
}
