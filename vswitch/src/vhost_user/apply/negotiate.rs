//! Features, status, MTU, reset.

use super::super::Refusal;
use super::super::features::virtio;
use super::ring;
use vhost_transfer::device::RingState;
use vhost_transfer::{Device, DeviceState};

const MTU_MIN: u64 = 68;

/// SET_FEATURES. Without bit 30 all rings become enabled.
pub(super) fn features(state: &mut DeviceState, features: u64) -> Result<(), Refusal> {
    let changes = state.features ^ features;
    let started = (0..).zip(&state.rings).find(|(_, ring)| ring.started);
    if let Some((ring, _)) = started.filter(|_| changes & !virtio::LOG_ALL != 0) {
        return Err(Refusal::FeaturesInUse(ring));
    }
    state.features = features;
    if features & virtio::PROTOCOL_FEATURES == 0 {
        ring::enable_all(state);
    }
    Ok(())
}

/// SET_STATUS. 0 forgets no ring's position: QEMU 7.2 asks for some of them afterwards.
pub(super) fn status(state: &mut DeviceState, status: u64) -> Result<(), Refusal> {
    state.status = u8::try_from(status).map_err(|_| Refusal::Status(status))?;
    Ok(())
}

/// NET_SET_MTU.
pub(super) fn mtu(state: &mut DeviceState, mtu: u64) -> Result<(), Refusal> {
    let fits = u16::try_from(mtu).ok().filter(|_| mtu >= MTU_MIN);
    state.mtu = Some(fits.ok_or(Refusal::Mtu(mtu))?);
    Ok(())
}

/// RESET_DEVICE: as before the driver came. What belongs to the connection stays: the owner, the
/// protocol features, the memory, and the call and err fds, which QEMU does not send again.
pub(super) fn reset(device: &mut Device) {
    device.state.features = 0;
    device.state.status = 0;
    device.state.mtu = None;
    for (ring, fds) in device.state.rings.iter_mut().zip(&mut device.fds.rings) {
        fds.kick = None;
        *ring = RingState {
            has_call: ring.has_call,
            has_err: ring.has_err,
            starts: ring.starts,
            ..RingState::default()
        };
    }
}
