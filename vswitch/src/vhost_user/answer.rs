//! What is owed to a front end for a request.

use super::features::{QUEUE_PAIRS, protocol, virtio};
use super::{Header, Request};
use vhost_transfer::DeviceState;

const DONE: u64 = 0;
const FAILED: u64 = 1;

/// The reply to a request that made `state` of the device. It depends on nothing else, so that
/// a successor gives the same.
pub fn answer(header: &Header, request: &Request, state: &DeviceState) -> Option<Vec<u8>> {
    let number = |number: u64| Some(header.reply(number.to_ne_bytes()));
    match request {
        Request::GetFeatures => number(virtio::OFFERED),
        Request::GetProtocolFeatures => number(protocol::OFFERED),
        Request::GetQueueNum => number(QUEUE_PAIRS.into()),
        Request::GetMaxMemSlots => number(state.memory_slots.into()),
        Request::GetStatus => number(state.status.into()),
        Request::SetLogBase(_) => number(DONE),
        Request::GetVringBase { ring } => Some(header.reply(ring_base(*ring, state))),
        Request::SetFeatures(_)
        | Request::SetOwner
        | Request::ResetOwner
        | Request::SetMemTable(_)
        | Request::SetLogFd
        | Request::SetVringNum { .. }
        | Request::SetVringAddr(_)
        | Request::SetVringBase { .. }
        | Request::SetVringEvent { .. }
        | Request::SetProtocolFeatures(_)
        | Request::SetVringEnable { .. }
        | Request::SendRarp(_)
        | Request::NetSetMtu(_)
        | Request::ResetDevice
        | Request::AddMemReg(_)
        | Request::RemMemReg(_)
        | Request::SetStatus(_) => number(DONE).filter(|_| acknowledges(header, state)),
    }
}

/// The reply to a request that was refused; `None` when the protocol has no way to say so.
/// `request` is `None` when it could not even be read.
pub fn refuse(header: &Header, request: Option<&Request>, state: &DeviceState) -> Option<Vec<u8>> {
    let quiet = Header {
        flags: header.flags & !super::NEED_REPLY,
        ..*header
    };
    let has_own_reply = request.is_some_and(|request| answer(&quiet, request, state).is_some());
    (acknowledges(header, state) && !has_own_reply).then(|| header.reply(FAILED.to_ne_bytes()))
}

fn acknowledges(header: &Header, state: &DeviceState) -> bool {
    header.needs_reply() && state.protocol_features & protocol::REPLY_ACK != 0
}

fn ring_base(ring: u32, state: &DeviceState) -> [u8; 8] {
    let base = state.rings.get(ring as usize).map_or(0, |ring| ring.base);
    let mut payload = [0; 8];
    payload[..4].copy_from_slice(&ring.to_ne_bytes());
    payload[4..].copy_from_slice(&base.to_ne_bytes());
    payload
}
