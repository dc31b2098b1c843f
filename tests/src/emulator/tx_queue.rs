//! The transmit queue of a virtio-net driver: slots of one buffer each, described in one of three ways.

use std::collections::VecDeque;

use super::memory::Allocator;
use super::split_ring::{DESCRIPTOR_SIZE, Descriptor, INDIRECT, NEXT, RingError, SplitRing};
use super::virtio_net::{HEADER_SIZE, LONGEST_FRAME};

/// How the header and the frame are described to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxLayout {
    /// One descriptor holds both.
    Single,
    /// A chain of two descriptors.
    Chained,
    /// One descriptor points to a table of two. Falls back to `Chained` if not negotiated.
    Indirect,
}

/// Sends frames.
#[derive(Debug)]
pub(crate) struct TxQueue {
    ring: SplitRing,
    layout: TxLayout,
    buffers: Vec<u64>,
    tables: Vec<u64>,
    free: VecDeque<u16>,
}

/// Bytes of a slot's buffer.
pub(crate) const BUFFER_SIZE: usize = HEADER_SIZE + LONGEST_FRAME;
/// Bytes of a slot's indirect table.
pub(crate) const TABLE_SIZE: usize = 2 * DESCRIPTOR_SIZE as usize;

impl TxQueue {
    /// A queue that wants to use `layout`.
    pub(crate) fn new(ring: SplitRing, allocator: &mut Allocator, layout: TxLayout) -> Self {
        let entries = usize::from(ring.layout().size);
        let buffers = (0..entries)
            .map(|_| allocator.take(BUFFER_SIZE, 64))
            .collect();
        let tables = (0..entries)
            .map(|_| allocator.take(TABLE_SIZE, 16))
            .collect();
        Self {
            ring,
            layout,
            buffers,
            tables,
            free: VecDeque::new(),
        }
    }

    /// Starts with the negotiated features.
    pub(crate) fn start(&mut self, indirect: bool, event_idx: bool, interrupts: bool) {
        if self.layout == TxLayout::Indirect && !indirect {
            self.layout = TxLayout::Chained;
        }
        self.ring.start(event_idx, interrupts);
        self.free = (0..self.ring.layout().size / self.descriptors_per_slot()).collect();
    }

    fn descriptors_per_slot(&self) -> u16 {
        match self.layout {
            TxLayout::Single | TxLayout::Indirect => 1,
            TxLayout::Chained => 2,
        }
    }

    /// Queues a frame for the next `publish`. Returns false when every slot is in flight.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<bool, RingError> {
        self.reclaim()?;
        let Some(slot) = self.free.pop_front() else {
            return Ok(false);
        };
        let buffer = self.buffers[usize::from(slot)];
        self.ring.memory().write(buffer, &[0; HEADER_SIZE]);
        self.ring.memory().write(buffer + HEADER_SIZE as u64, frame);
        let head = self.describe(slot, frame.len() as u32);
        self.ring.add(head);
        Ok(true)
    }

    /// Shows the device what was queued. Returns whether it wants a kick.
    pub(crate) fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Takes back every slot that the device is done with. Returns how many it still has.
    pub(crate) fn reclaim(&mut self) -> Result<usize, RingError> {
        for _ in 0..self.ring.waiting()? {
            let head = self.ring.take()?.head;
            self.free.push_back(head / self.descriptors_per_slot());
        }
        let slots = self.ring.layout().size / self.descriptors_per_slot();
        Ok(usize::from(slots) - self.free.len())
    }

    /// Writes the descriptors of a slot. Returns the head.
    fn describe(&self, slot: u16, length: u32) -> u16 {
        let address = self.buffers[usize::from(slot)];
        let header = HEADER_SIZE as u32;
        let frame = Descriptor {
            address: address + u64::from(header),
            length,
            flags: 0,
            next: 0,
        };
        match self.layout {
            TxLayout::Single => {
                let length = header + length;
                self.ring.describe(
                    slot,
                    Descriptor {
                        address,
                        length,
                        flags: 0,
                        next: 0,
                    },
                );
                slot
            }
            TxLayout::Chained => {
                let (head, next) = (2 * slot, 2 * slot + 1);
                self.ring.describe(
                    head,
                    Descriptor {
                        address,
                        length: header,
                        flags: NEXT,
                        next,
                    },
                );
                self.ring.describe(next, frame);
                head
            }
            TxLayout::Indirect => {
                let table = self.tables[usize::from(slot)];
                let first = Descriptor {
                    address,
                    length: header,
                    flags: NEXT,
                    next: 1,
                };
                first.write(self.ring.memory(), table, 0);
                frame.write(self.ring.memory(), table, 1);
                let length = TABLE_SIZE as u32;
                let flags = INDIRECT;
                self.ring.describe(
                    slot,
                    Descriptor {
                        address: table,
                        length,
                        flags,
                        next: 0,
                    },
                );
                slot
            }
        }
    }
}

#[cfg(test)]
mod tests;
