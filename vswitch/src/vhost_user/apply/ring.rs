//! What happens to one ring, or to all.
//!
//! Started and enabled are two bits: SET_VRING_KICK starts, GET_VRING_BASE stops, SET_VRING_ENABLE
//! is remembered while the ring is stopped (vhost-user.rst, "Ring states").

use super::super::features::{RINGS, virtio};
use super::super::{Refusal, RingAddresses, RingEvent};
use rustix::io::ioctl_fionbio;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use vhost_transfer::device::{RingFds, RingState};
use vhost_transfer::{Device, DeviceState};

const MAX_SIZE: u32 = 32768;

/// SET_VRING_NUM.
pub(super) fn size(device: &mut Device, ring: u32, size: u32) -> Result<(), Refusal> {
    if !size.is_power_of_two() || size > MAX_SIZE {
        return Err(Refusal::RingSize(size));
    }
    let ring = at_rest(device, ring, |ring| u32::from(ring.size) == size)?;
    ring.size = size as u16;
    Ok(())
}

/// SET_VRING_ADDR. On a started ring only its logging may change.
pub(super) fn addresses(device: &mut Device, new: &RingAddresses) -> Result<(), Refusal> {
    let same = |ring: &RingState| {
        (ring.desc_addr, ring.avail_addr, ring.used_addr) == (new.desc, new.avail, new.used)
    };
    let ring = at_rest(device, new.ring, same)?;
    ring.desc_addr = new.desc;
    ring.avail_addr = new.avail;
    ring.used_addr = new.used;
    ring.log_used = new.log_used;
    ring.log_addr = new.log;
    Ok(())
}

/// SET_VRING_BASE.
pub(super) fn base(device: &mut Device, ring: u32, base: u32) -> Result<(), Refusal> {
    if base > u32::from(u16::MAX) {
        return Err(Refusal::RingBase(base));
    }
    at_rest(device, ring, |_| false)?.base = base;
    Ok(())
}

/// GET_VRING_BASE, also of a ring that nobody has set up.
pub(super) fn stop(device: &mut Device, ring: u32) -> Result<(), Refusal> {
    let index = index(ring)?;
    if let Some(ring) = device.state.rings.get_mut(index) {
        ring.started = false;
        ring.has_kick = false;
        device.fds.rings[index].kick = None;
    }
    Ok(())
}

/// SET_VRING_ENABLE.
pub(super) fn enable(device: &mut Device, ring: u32, enabled: bool) -> Result<(), Refusal> {
    parts(device, ring)?.0.enabled = enabled;
    Ok(())
}

/// SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR. A kick starts the ring; it need not be
/// waited for, since lanes poll.
pub(super) fn event(
    device: &mut Device,
    event: RingEvent,
    ring: u32,
    fd: Option<OwnedFd>,
) -> Result<(), Refusal> {
    // A lane must not sleep in an fd that is full.
    if let Some(fd) = &fd {
        ioctl_fionbio(fd, true).map_err(|_| Refusal::NoEvent)?;
    }
    let begins_enabled = device.state.features & virtio::PROTOCOL_FEATURES == 0;
    let (ring, fds) = parts(device, ring)?;
    let (has, slot) = match event {
        RingEvent::Kick => (&mut ring.has_kick, &mut fds.kick),
        RingEvent::Call => (&mut ring.has_call, &mut fds.call),
        RingEvent::Err => (&mut ring.has_err, &mut fds.err),
    };
    *has = fd.is_some();
    *slot = fd.map(Arc::new);
    if event == RingEvent::Kick && !ring.started {
        ring.started = true;
        ring.starts = ring.starts.wrapping_add(1);
        ring.enabled |= begins_enabled;
    }
    Ok(())
}

/// SET_FEATURES without protocol features.
pub(super) fn enable_all(state: &mut DeviceState) {
    state.rings.iter_mut().for_each(|ring| ring.enabled = true);
}

/// RESET_OWNER, as the specification advises for it.
pub(super) fn disable_all(state: &mut DeviceState) {
    state.rings.iter_mut().for_each(|ring| ring.enabled = false);
}

/// A ring that is stopped, or for which the request changes nothing of account.
fn at_rest(
    device: &mut Device,
    ring: u32,
    harmless: impl FnOnce(&RingState) -> bool,
) -> Result<&mut RingState, Refusal> {
    let (state, _) = parts(device, ring)?;
    match state.started && !harmless(state) {
        true => Err(Refusal::RingStarted(ring as u16)),
        false => Ok(state),
    }
}

/// The ring; it and those before it come into being when they are first named.
fn parts(device: &mut Device, ring: u32) -> Result<(&mut RingState, &mut RingFds), Refusal> {
    let index = index(ring)?;
    let count = device.state.rings.len().max(index + 1);
    device.state.rings.resize_with(count, RingState::default);
    device.fds.rings.resize_with(count, RingFds::default);
    Ok((&mut device.state.rings[index], &mut device.fds.rings[index]))
}

fn index(ring: u32) -> Result<usize, Refusal> {
    match ring < u32::from(RINGS) {
        true => Ok(ring as usize),
        false => Err(Refusal::RingIndex(ring)),
    }
}
