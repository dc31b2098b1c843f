//! What a request makes of a device.

mod memory;
mod negotiate;
mod ring;

use super::features::protocol;
use super::{Refusal, Request, check};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use vhost_transfer::{Device, DeviceFds};

/// A device after a request, and what that asks of the lanes.
#[derive(Debug)]
pub struct Outcome {
    /// The device, `None` when it is as before.
    pub device: Option<Device>,
    /// Rings that were started and are not any more. Where they stand is for the lanes to say.
    pub stopped: Vec<u16>,
    /// Rings that are started now and were not before.
    pub started: Vec<u16>,
    /// The guest's memory is another.
    pub memory_changed: bool,
    /// For this address a RARP is to be sent.
    pub rarp: Option<[u8; 6]>,
}

/// What `request` makes of `device`. Nothing is mapped, sent or closed here, but fds of no use.
///
/// # Errors
/// [`Refusal`]; the device stays as it is and `fds` are closed.
pub fn apply(device: &Device, request: &Request, fds: Vec<OwnedFd>) -> Result<Outcome, Refusal> {
    negotiated(request, device.state.protocol_features)?;
    let (least, most) = request.fds();
    if fds.len() < least || fds.len() > most {
        return Err(Refusal::FdCount {
            expected: least,
            got: fds.len(),
        });
    }
    let mut next = device.clone();
    change(&mut next, request, fds)?;
    check(&next.state)?;
    Ok(Outcome::between(device, next, request))
}

fn change(device: &mut Device, request: &Request, mut fds: Vec<OwnedFd>) -> Result<(), Refusal> {
    let state = &mut device.state;
    match request {
        Request::SetFeatures(features) => negotiate::features(state, *features),
        Request::SetProtocolFeatures(features) => {
            state.protocol_features = *features;
            Ok(())
        }
        Request::SetOwner => {
            state.owned = true;
            Ok(())
        }
        Request::ResetOwner => {
            ring::disable_all(state);
            Ok(())
        }
        Request::ResetDevice => {
            negotiate::reset(device);
            Ok(())
        }
        Request::SetStatus(status) => negotiate::status(state, *status),
        Request::NetSetMtu(mtu) => negotiate::mtu(state, *mtu),
        Request::SetMemTable(regions) => {
            memory::replace(device, regions, fds);
            Ok(())
        }
        Request::AddMemReg(region) => {
            memory::add(device, *region, fds);
            Ok(())
        }
        Request::RemMemReg(region) => memory::remove(device, region),
        Request::SetLogBase(log) => memory::log(device, *log, fds.pop()),
        Request::SetLogFd => {
            memory::log_event(device, fds.pop());
            Ok(())
        }
        Request::SetVringNum { ring, size } => ring::size(device, *ring, *size),
        Request::SetVringAddr(addresses) => ring::addresses(device, addresses),
        Request::SetVringBase { ring, base } => ring::base(device, *ring, *base),
        Request::GetVringBase { ring } => ring::stop(device, *ring),
        Request::SetVringEnable { ring, enabled } => ring::enable(device, *ring, *enabled),
        Request::SetVringEvent { event, ring, .. } => ring::event(device, *event, *ring, fds.pop()),
        Request::GetFeatures
        | Request::GetProtocolFeatures
        | Request::GetQueueNum
        | Request::GetMaxMemSlots
        | Request::GetStatus
        | Request::SendRarp(_) => Ok(()),
    }
}

/// The protocol feature without which the request must not come.
fn negotiated(request: &Request, features: u64) -> Result<(), Refusal> {
    let (bit, name) = match request {
        Request::GetQueueNum => (protocol::MQ, "MQ"),
        Request::SetLogBase(_) | Request::SetLogFd => (protocol::LOG_SHMFD, "LOG_SHMFD"),
        Request::SendRarp(_) => (protocol::RARP, "RARP"),
        Request::NetSetMtu(_) => (protocol::NET_MTU, "NET_MTU"),
        Request::ResetDevice => (protocol::RESET_DEVICE, "RESET_DEVICE"),
        Request::GetMaxMemSlots | Request::AddMemReg(_) | Request::RemMemReg(_) => {
            (protocol::CONFIGURE_MEM_SLOTS, "CONFIGURE_MEM_SLOTS")
        }
        Request::SetStatus(_) | Request::GetStatus => (protocol::STATUS, "STATUS"),
        Request::GetFeatures
        | Request::SetFeatures(_)
        | Request::SetOwner
        | Request::ResetOwner
        | Request::SetMemTable(_)
        | Request::SetVringNum { .. }
        | Request::SetVringAddr(_)
        | Request::SetVringBase { .. }
        | Request::GetVringBase { .. }
        | Request::SetVringEvent { .. }
        | Request::GetProtocolFeatures
        | Request::SetProtocolFeatures(_)
        | Request::SetVringEnable { .. } => return Ok(()),
    };
    match features & bit {
        0 => Err(Refusal::NotNegotiated(name)),
        _ => Ok(()),
    }
}

impl Outcome {
    fn between(before: &Device, after: Device, request: &Request) -> Self {
        let starts = |device: &Device, ring: usize| {
            device
                .state
                .rings
                .get(ring)
                .filter(|ring| ring.started)
                .map(|ring| ring.starts)
        };
        let rings = |changed: fn(Option<u32>, Option<u32>) -> bool| {
            (0..after.state.rings.len())
                .filter(|&ring| changed(starts(before, ring), starts(&after, ring)))
                .map(|ring| ring as u16)
                .collect()
        };
        let rarp = if let Request::SendRarp(mac) = request {
            Some(*mac)
        } else {
            None
        };
        Self {
            stopped: rings(|before, after| before.is_some() && after.is_none()),
            started: rings(|before, after| after.is_some() && after != before),
            memory_changed: before.state.memory != after.state.memory
                || !same(&before.fds.memory, &after.fds.memory),
            rarp,
            device: differs(before, &after).then_some(after),
        }
    }
}

fn differs(before: &Device, after: &Device) -> bool {
    let raw = |fds: &DeviceFds| {
        fds.in_order()
            .iter()
            .map(AsRawFd::as_raw_fd)
            .collect::<Vec<_>>()
    };
    before.state != after.state || raw(&before.fds) != raw(&after.fds)
}

fn same(before: &[Arc<OwnedFd>], after: &[Arc<OwnedFd>]) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(a, b)| Arc::ptr_eq(a, b))
}
