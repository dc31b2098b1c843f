//! The header of every message, and reading numbers from a payload. All are in host byte order.

/// Bytes of a header.
pub const HEADER_LEN: usize = 12;
/// The largest payload that is read at all, bytes; no known request comes near it.
pub const MAX_PAYLOAD: usize = 4096;
/// The protocol's version, in the two lowest bits of the flags.
pub const VERSION: u32 = 1;
/// Flag: the sender wants an answer.
pub const NEED_REPLY: u32 = 1 << 3;

const VERSION_MASK: u32 = 3;
const REPLY: u32 = 1 << 2;

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which request.
    pub code: u32,
    /// Version, reply, need reply.
    pub flags: u32,
    /// Bytes of the payload.
    pub size: u32,
}

impl Header {
    /// From its bytes.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let word = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            code: word(0),
            flags: word(4),
            size: word(8),
        }
    }

    /// As bytes.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.code.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.size.to_ne_bytes());
        bytes
    }

    /// It is a request of the version that this back end speaks.
    pub fn is_request(&self) -> bool {
        self.flags & VERSION_MASK == VERSION && self.flags & REPLY == 0
    }

    /// The sender wants an answer, if REPLY_ACK is negotiated.
    pub fn needs_reply(&self) -> bool {
        self.flags & NEED_REPLY != 0
    }

    /// The message that answers this one.
    pub(super) fn reply(&self, payload: [u8; 8]) -> Vec<u8> {
        let size = payload.len() as u32;
        let header = Self {
            code: self.code,
            flags: VERSION | REPLY,
            size,
        };
        [&header.to_bytes()[..], &payload].concat()
    }
}

/// Reads numbers from the front of a payload whose length was checked.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*number))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }
}
