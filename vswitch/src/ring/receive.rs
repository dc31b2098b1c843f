//! Packets for a guest: copied into buffers that it made available.

use super::chain::{Direction, Frame, MAX_SEGMENTS, Segment, Usable};
use super::{Cursor, Ring, RingError};
use std::ptr::NonNull;
use vhost_transfer::ledger::RingSlot;

/// Buffers that one packet may be spread over (MRG_RXBUF).
const MAX_BUFFERS: usize = MAX_SEGMENTS;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the guest's buffers.
    Yes,
    /// The guest has no room for it.
    NoRoom,
    /// The ring broke its rules.
    Broken,
}

/// Buffers that will hold one packet; kept between packets so that nothing is allocated or cleared.
#[derive(Debug)]
pub struct Room {
    space: Frame,
    /// Head and bytes of each buffer.
    buffers: [(u16, u32); MAX_BUFFERS],
    count: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            space: Frame::default(),
            buffers: [(0, 0); MAX_BUFFERS],
            count: 0,
        }
    }
}

impl Room {
    fn clear(&mut self) {
        self.space.clear();
        self.count = 0;
    }
}

impl Ring {
    /// Copies `frame` into the next buffers. The guest sees it with [`Self::flush`].
    pub fn push(&self, cursor: &mut Cursor, frame: &Frame, room: &mut Room) -> Pushed {
        if cursor.broken.is_some() {
            return Pushed::Broken;
        }
        match self.reserve(cursor.avail, self.header + frame.len(), room) {
            Ok(true) => {
                self.fill(cursor, room, frame);
                Pushed::Yes
            }
            Ok(false) => Pushed::NoRoom,
            Err(error) => {
                self.give_up(cursor, error);
                Pushed::Broken
            }
        }
    }

    /// Shows the guest all packets that were pushed.
    pub fn flush(&self, cursor: &mut Cursor, slot: &RingSlot) {
        self.publish(cursor, slot);
    }

    /// Finds buffers for `needed` bytes; false when the guest has not made so many available.
    fn reserve(&self, from: u16, needed: u32, room: &mut Room) -> Result<bool, RingError> {
        let most = if self.mergeable { MAX_BUFFERS } else { 1 };
        let limit = usize::from(self.available(from)?).min(most);
        room.clear();
        while room.count < limit && room.space.len() < needed {
            let head = self.parts.avail_head(from.wrapping_add(room.count as u16));
            let before = room.space.len();
            if self.walk(head, Direction::ToGuest, &mut room.space)? == Usable::No {
                return Err(RingError::Chain(head));
            }
            room.buffers[room.count] = (head, room.space.len() - before);
            room.count += 1;
        }
        Ok(room.space.len() >= needed)
    }

    fn fill(&self, cursor: &mut Cursor, room: &Room, frame: &Frame) {
        let header = header(room.count as u16);
        let mut packet = [Segment {
            at: NonNull::from(&header).cast(),
            len: self.header,
        }]
        .into_iter()
        .chain(frame.segments().iter().copied());
        scatter(&mut packet, room.space.segments());
        let mut left = self.header + frame.len();
        for &(head, capacity) in &room.buffers[..room.count] {
            let written = left.min(capacity);
            self.parts.write_used(cursor.used, head, written);
            cursor.avail = cursor.avail.wrapping_add(1);
            cursor.used = cursor.used.wrapping_add(1);
            left -= written;
        }
    }
}

/// A virtio-net header without offloads (virtio 1.2, section 5.1.6): only `num_buffers`, at 10.
fn header(buffers: u16) -> [u8; 12] {
    let mut header = [0; 12];
    header[10..].copy_from_slice(&buffers.to_le_bytes());
    header
}

/// Copies the bytes of `from`, in order, into `to`, which has room for all of them.
fn scatter(from: &mut impl Iterator<Item = Segment>, to: &[Segment]) {
    let mut source = Segment {
        at: NonNull::dangling(),
        len: 0,
    };
    for &target in to {
        let mut filled = 0;
        while filled < target.len {
            while source.len == 0 {
                match from.next() {
                    Some(next) => source = next,
                    None => return,
                }
            }
            let len = source.len.min(target.len - filled);
            // SAFETY: `len` bytes are left in both. They may overlap when a guest gave the same memory
            // to two devices, which this copy allows.
            unsafe {
                target
                    .at
                    .add(filled as usize)
                    .copy_from(source.at, len as usize);
                source.at = source.at.add(len as usize);
            }
            source.len -= len;
            filled += len;
        }
    }
}
