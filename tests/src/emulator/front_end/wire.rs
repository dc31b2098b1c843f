//! Messages of the vhost-user protocol as bytes (QEMU docs/interop/vhost-user.rst).

use std::fmt;

use crate::emulator::memory::Region;

/// A request code of the front end. Any number is allowed, so that a test can send what does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request(pub u32);

macro_rules! requests {
    ($($name:ident = $code:literal),* $(,)?) => {
        impl Request {
            $(#[doc = concat!("VHOST_USER_", stringify!($name), ".")]
              pub const $name: Request = Request($code);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

requests! {
    GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, RESET_OWNER = 4, SET_MEM_TABLE = 5,
    SET_LOG_BASE = 6, SET_LOG_FD = 7, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
    GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, SET_VRING_ERR = 14,
    GET_PROTOCOL_FEATURES = 15, SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18, SEND_RARP = 19, NET_SET_MTU = 20, SET_BACKEND_REQ_FD = 21,
    IOTLB_MSG = 22, SET_VRING_ENDIAN = 23, GET_CONFIG = 24, SET_CONFIG = 25,
    GET_INFLIGHT_FD = 31, SET_INFLIGHT_FD = 32, RESET_DEVICE = 34, GET_MAX_MEM_SLOTS = 36,
    ADD_MEM_REG = 37, REM_MEM_REG = 38, SET_STATUS = 39, GET_STATUS = 40,
    SET_DEVICE_STATE_FD = 42, CHECK_DEVICE_STATE = 43,
}

impl Request {
    /// Whether the specification gives this request a reply of its own, apart from REPLY_ACK.
    /// SET_LOG_BASE has one if LOG_SHMFD is negotiated, without which it must not be sent.
    pub fn has_reply(self) -> bool {
        matches!(
            self,
            Request::GET_FEATURES
                | Request::GET_PROTOCOL_FEATURES
                | Request::GET_QUEUE_NUM
                | Request::SET_LOG_BASE
                | Request::GET_VRING_BASE
                | Request::GET_CONFIG
                | Request::GET_INFLIGHT_FD
                | Request::GET_MAX_MEM_SLOTS
                | Request::GET_STATUS
                | Request::SET_DEVICE_STATE_FD
                | Request::CHECK_DEVICE_STATE
        )
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "request {}", self.0),
        }
    }
}

/// Virtio feature bits (virtio 1.2, sections 5.1.3 and 6) and the vhost-user one.
#[allow(missing_docs)]
pub mod feature {
    pub const MTU: u64 = 1 << 3;
    pub const MAC: u64 = 1 << 5;
    pub const MRG_RXBUF: u64 = 1 << 15;
    pub const STATUS: u64 = 1 << 16;
    pub const GUEST_ANNOUNCE: u64 = 1 << 21;
    pub const INDIRECT_DESC: u64 = 1 << 28;
    pub const EVENT_IDX: u64 = 1 << 29;
    pub const PROTOCOL_FEATURES: u64 = 1 << 30;
    pub const VERSION_1: u64 = 1 << 32;
}

/// Protocol feature bits (vhost-user.rst, "Protocol features").
#[allow(missing_docs)]
pub mod protocol_feature {
    pub const MQ: u64 = 1 << 0;
    pub const LOG_SHMFD: u64 = 1 << 1;
    pub const RARP: u64 = 1 << 2;
    pub const REPLY_ACK: u64 = 1 << 3;
    pub const NET_MTU: u64 = 1 << 4;
    pub const BACKEND_REQ: u64 = 1 << 5;
    pub const RESET_DEVICE: u64 = 1 << 13;
    pub const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
    pub const STATUS: u64 = 1 << 16;
}

/// Bytes of a message header: request, flags, payload size, each a native 32-bit word.
pub const HEADER_SIZE: usize = 12;
/// Header flag: protocol version 1.
pub const VERSION: u32 = 1;
/// Header flag: this is a reply.
pub const REPLY: u32 = 1 << 2;
/// Header flag: the receiver must acknowledge.
pub const NEED_REPLY: u32 = 1 << 3;
/// In the payload of a KICK, CALL or ERR message: no file descriptor comes with it.
pub const NO_FD: u64 = 1 << 8;

/// A message header.
pub fn header(request: Request, flags: u32, size: u32) -> [u8; HEADER_SIZE] {
    let mut bytes = [0; HEADER_SIZE];
    bytes[0..4].copy_from_slice(&request.0.to_ne_bytes());
    bytes[4..8].copy_from_slice(&flags.to_ne_bytes());
    bytes[8..12].copy_from_slice(&size.to_ne_bytes());
    bytes
}

/// A vring state: ring index and a number.
pub fn vring_state(index: u32, number: u32) -> Vec<u8> {
    [index.to_ne_bytes(), number.to_ne_bytes()].concat()
}

/// A vring address description. Addresses are those of the front end's own process; not logged.
pub fn vring_address(index: u32, descriptors: u64, used: u64, available: u64) -> Vec<u8> {
    let mut bytes = vring_state(index, 0);
    for address in [descriptors, used, available, 0] {
        bytes.extend_from_slice(&address.to_ne_bytes());
    }
    bytes
}

/// The payload of SET_LOG_BASE: a log of `size` bytes at the begin of its file.
pub fn dirty_log(size: u64) -> Vec<u8> {
    [size.to_ne_bytes(), 0u64.to_ne_bytes()].concat()
}

/// A table of memory regions; one file descriptor a region goes with it.
pub fn memory_table(regions: &[Region]) -> Vec<u8> {
    let mut bytes = vring_state(regions.len() as u32, 0);
    regions
        .iter()
        .for_each(|region| bytes.extend_from_slice(&memory_region(region)));
    bytes
}

/// The payload of ADD_MEM_REG and REM_MEM_REG: eight bytes of padding and one region.
pub fn single_region(region: &Region) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&memory_region(region));
    bytes
}

fn memory_region(region: &Region) -> Vec<u8> {
    [
        region.guest_address,
        region.size,
        region.user_address,
        region.offset,
    ]
    .map(u64::to_ne_bytes)
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_sizes_of_the_specification() {
        let region = Region {
            guest_address: 1,
            size: 2,
            user_address: 3,
            offset: 4,
        };
        assert_eq!(vring_state(1, 2), [1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(vring_address(0, 1, 2, 3).len(), 40);
        assert_eq!(dirty_log(1).len(), 16);
        assert_eq!(memory_table(&[region, region]).len(), 8 + 2 * 32);
        assert_eq!(single_region(&region).len(), 8 + 32);
        assert_eq!(single_region(&region)[16], 2);
    }

    #[test]
    fn requests_are_named() {
        assert_eq!(Request::SET_VRING_KICK.to_string(), "SET_VRING_KICK");
        assert_eq!(Request(999).to_string(), "request 999");
    }
}
