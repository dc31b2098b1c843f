//! The receive queue of a virtio-net driver: every descriptor is one buffer for the device to write.

use super::memory::Allocator;
use super::split_ring::{Descriptor, RingError, SplitRing, WRITE};
use super::virtio_net::HEADER_SIZE;

/// Receives frames, each in one buffer or, with mergeable buffers, in several.
#[derive(Debug)]
pub(crate) struct RxQueue {
    ring: SplitRing,
    buffers: Vec<u64>,
    buffer_size: u32,
    mergeable: bool,
}

impl RxQueue {
    /// A queue whose buffers hold `buffer_size` bytes each, header included.
    pub(crate) fn new(ring: SplitRing, allocator: &mut Allocator, buffer_size: u32) -> Self {
        let entries = usize::from(ring.layout().size);
        let buffers = (0..entries)
            .map(|_| allocator.take(buffer_size as usize, 64))
            .collect();
        Self {
            ring,
            buffers,
            buffer_size,
            mergeable: false,
        }
    }

    /// Starts with the negotiated features and gives the device every buffer.
    pub(crate) fn start(&mut self, mergeable: bool, event_idx: bool, interrupts: bool) {
        self.mergeable = mergeable;
        self.ring.start(event_idx, interrupts);
        for head in 0..self.ring.layout().size {
            let address = self.buffers[usize::from(head)];
            let length = self.buffer_size;
            self.ring.describe(
                head,
                Descriptor {
                    address,
                    length,
                    flags: WRITE,
                    next: 0,
                },
            );
            self.ring.add(head);
        }
    }

    /// Shows the device the recycled buffers. Returns whether it wants a kick.
    pub(crate) fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Copies the next frame out. Returns its length, without the header.
    pub(crate) fn receive(&mut self, frame: &mut [u8]) -> Result<Option<usize>, RingError> {
        let waiting = self.ring.waiting()?;
        if waiting == 0 {
            return Ok(None);
        }
        let count = self.buffer_count()?;
        if count > waiting {
            return Ok(None);
        }
        let mut length = 0;
        for part in 0..count {
            length += self.take_part(part == 0, &mut frame[length..])?;
        }
        Ok(Some(length))
    }

    /// In how many buffers the next frame is (virtio 1.2, section 5.1.6.4).
    fn buffer_count(&self) -> Result<u16, RingError> {
        if !self.mergeable {
            return Ok(1);
        }
        let address = self.buffers[usize::from(self.ring.peek(0)?.head)];
        let mut bytes = [0; 2];
        self.ring.memory().read(address + 10, &mut bytes);
        let buffers = u16::from_le_bytes(bytes);
        match (1..=self.ring.layout().size).contains(&buffers) {
            true => Ok(buffers),
            false => Err(RingError::BadBufferCount { buffers }),
        }
    }

    /// Copies one buffer's part of a frame and recycles the buffer.
    fn take_part(&mut self, first: bool, frame: &mut [u8]) -> Result<usize, RingError> {
        let used = self.ring.take()?;
        let skipped = if first { HEADER_SIZE } else { 0 };
        let address = self.buffers[usize::from(used.head)] + skipped as u64;
        self.ring.add(used.head);
        let bad = RingError::BadLength {
            length: used.length,
            size: self.buffer_size,
        };
        let length = (used.length as usize).checked_sub(skipped).ok_or(bad)?;
        if used.length > self.buffer_size || length > frame.len() {
            return Err(bad);
        }
        self.ring.memory().read(address, &mut frame[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
