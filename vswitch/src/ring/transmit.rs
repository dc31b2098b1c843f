//! Packets that a guest sends: taken from the ring one by one, given back as a batch.

use super::chain::{Direction, Frame, MAX_FRAME, Usable};
use super::{Cursor, Ring, RingError};
use vhost_transfer::ledger::RingSlot;

/// What was taken from the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A packet, without its virtio-net header.
    Packet,
    /// Something that is no packet we can read; it was thrown away.
    Garbage,
}

impl Ring {
    /// How many packets can be taken now, at most `limit`. A broken ring has none.
    pub fn transmittable(&self, cursor: &mut Cursor, limit: u16) -> u16 {
        if cursor.broken.is_some() {
            return 0;
        }
        match self.available(cursor.avail) {
            Ok(count) => count.min(limit),
            Err(error) => {
                self.give_up(cursor, error);
                0
            }
        }
    }

    /// Takes the next packet into `frame`; `None` when the ring broke its rules. Not to be called
    /// more often than [`Self::transmittable`] said. The guest's buffers are its own again with
    /// [`Self::complete`].
    pub fn take(&self, cursor: &mut Cursor, frame: &mut Frame) -> Option<Taken> {
        match self.take_chain(cursor, frame) {
            Ok(taken) => Some(taken),
            Err(error) => {
                self.give_up(cursor, error);
                None
            }
        }
    }

    /// Gives the buffers of all packets taken so far back to the guest.
    pub fn complete(&self, cursor: &mut Cursor, slot: &RingSlot) {
        self.publish(cursor, slot);
    }

    fn take_chain(&self, cursor: &mut Cursor, frame: &mut Frame) -> Result<Taken, RingError> {
        let head = self.parts.avail_head(cursor.avail);
        frame.clear();
        let usable = self.walk(head, Direction::FromGuest, frame)?;
        self.parts.write_used(cursor.used, head, 0);
        cursor.avail = cursor.avail.wrapping_add(1);
        cursor.used = cursor.used.wrapping_add(1);
        let packet = usable == Usable::Yes && frame.skip(self.header) && frame.len() <= MAX_FRAME;
        Ok(if packet {
            Taken::Packet
        } else {
            Taken::Garbage
        })
    }
}
