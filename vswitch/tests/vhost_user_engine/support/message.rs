//! Requests as bytes and fds, whether they are right or wrong.

use std::os::fd::OwnedFd;
use vhost_transfer::device::MemoryRegion;

pub(crate) const NEED_REPLY: u32 = 1 << 3;

/// One message of a front end.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) code: u32,
    pub(crate) flags: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Message {
    pub(crate) fn new(code: u32, payload: Vec<u8>) -> Self {
        Self {
            code,
            flags: 1,
            payload,
            fds: Vec::new(),
        }
    }

    pub(crate) fn empty(code: u32) -> Self {
        Self::new(code, Vec::new())
    }

    pub(crate) fn number(code: u32, number: u64) -> Self {
        Self::new(code, number.to_ne_bytes().to_vec())
    }

    pub(crate) fn ring(code: u32, ring: u32, number: u32) -> Self {
        Self::new(code, [ring.to_ne_bytes(), number.to_ne_bytes()].concat())
    }

    /// SET_VRING_ADDR.
    pub(crate) fn addresses(ring: u32, desc: u64, used: u64, avail: u64) -> Self {
        let mut payload = [ring.to_ne_bytes(), 0u32.to_ne_bytes()].concat();
        for address in [desc, used, avail, 0] {
            payload.extend(address.to_ne_bytes());
        }
        Self::new(9, payload)
    }

    /// SET_MEM_TABLE.
    pub(crate) fn memory_table(regions: &[MemoryRegion], fds: Vec<OwnedFd>) -> Self {
        let mut payload = (regions.len() as u64).to_ne_bytes().to_vec();
        regions
            .iter()
            .for_each(|region| payload.extend(bytes_of(region)));
        Self {
            fds,
            ..Self::new(5, payload)
        }
    }

    /// ADD_MEM_REG and REM_MEM_REG.
    pub(crate) fn region(code: u32, region: &MemoryRegion, fds: Vec<OwnedFd>) -> Self {
        let payload = [&[0; 8][..], &bytes_of(region)].concat();
        Self {
            fds,
            ..Self::new(code, payload)
        }
    }

    pub(crate) fn with_fd(self, fd: OwnedFd) -> Self {
        Self {
            fds: vec![fd],
            ..self
        }
    }

    pub(crate) fn acknowledged(self) -> Self {
        Self {
            flags: self.flags | NEED_REPLY,
            ..self
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let size = self.payload.len() as u32;
        let words = [self.code, self.flags, size].map(u32::to_ne_bytes);
        [&words.concat()[..], &self.payload].concat()
    }

    /// Whether a front end waits for an answer.
    pub(crate) fn has_answer(&self) -> bool {
        self.flags & NEED_REPLY != 0 || matches!(self.code, 1 | 6 | 11 | 15 | 17 | 36 | 40)
    }
}

fn bytes_of(region: &MemoryRegion) -> Vec<u8> {
    [
        region.guest_addr,
        region.size,
        region.user_addr,
        region.mmap_offset,
    ]
    .map(u64::to_ne_bytes)
    .concat()
}
