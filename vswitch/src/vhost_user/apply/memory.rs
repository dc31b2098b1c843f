//! Memory regions and the dirty log.

use super::super::Refusal;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use vhost_transfer::Device;
use vhost_transfer::device::{DirtyLog, MemoryRegion};

/// SET_MEM_TABLE.
pub(super) fn replace(device: &mut Device, regions: &[MemoryRegion], fds: Vec<OwnedFd>) {
    device.state.memory = regions.to_vec();
    device.fds.memory = fds.into_iter().map(Arc::new).collect();
}

/// ADD_MEM_REG.
pub(super) fn add(device: &mut Device, region: MemoryRegion, fds: Vec<OwnedFd>) {
    device.state.memory.push(region);
    device.fds.memory.extend(fds.into_iter().map(Arc::new));
}

/// REM_MEM_REG: the offset in the file says nothing.
pub(super) fn remove(device: &mut Device, region: &MemoryRegion) -> Result<(), Refusal> {
    let key = |r: &MemoryRegion| (r.guest_addr, r.user_addr, r.size);
    let (guest_addr, size) = (region.guest_addr, region.size);
    let found = device
        .state
        .memory
        .iter()
        .position(|known| key(known) == key(region));
    let index = found.ok_or(Refusal::NoSuchRegion { guest_addr, size })?;
    device.state.memory.remove(index);
    device.fds.memory.remove(index);
    Ok(())
}

/// SET_LOG_BASE.
pub(super) fn log(device: &mut Device, log: DirtyLog, fd: Option<OwnedFd>) -> Result<(), Refusal> {
    let DirtyLog { size, offset } = log;
    if size == 0 || offset.checked_add(size).is_none() {
        return Err(Refusal::Log { size, offset });
    }
    device.state.log = Some(log);
    device.fds.log = fd.map(Arc::new);
    Ok(())
}

/// SET_LOG_FD.
pub(super) fn log_event(device: &mut Device, fd: Option<OwnedFd>) {
    device.state.has_log_event = fd.is_some();
    device.fds.log_event = fd.map(Arc::new);
}
