//! Publishing used buffers, and interrupting a driver that asked for it.

use super::{Cursor, Ring, RingError};
use nix::unistd::write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};
use vhost_transfer::ledger::RingSlot;

impl Ring {
    /// Shows the driver what was used since the last time, publishes the position, and signals the
    /// call fd if the driver wants it.
    pub(super) fn publish(&self, cursor: &mut Cursor, slot: &RingSlot) {
        if cursor.published == cursor.used {
            return;
        }
        slot.show(self.parts.used_index(), cursor.position());
        cursor.published = cursor.used;
        fence(SeqCst);
        if self.wants_interrupt(cursor) {
            signal(self.call.as_ref());
        }
    }

    /// Signals the call fd, wanted or not: whoever owned the ring before may have owed it.
    pub fn signal_call(&self) {
        signal(self.call.as_ref());
    }

    /// Leaves the ring alone from now on and tells the front end.
    pub(super) fn give_up(&self, cursor: &mut Cursor, error: RingError) {
        cursor.broken = Some(error);
        signal(self.err.as_ref());
    }

    /// Virtio 1.2, section 2.7.10: by flag, or by index with EVENT_IDX.
    fn wants_interrupt(&self, cursor: &mut Cursor) -> bool {
        if !self.event_idx {
            return !self.parts.interrupts_off();
        }
        let new = cursor.published;
        match cursor.signalled.replace(new) {
            None => true,
            Some(old) => passed(self.parts.used_event(), new, old),
        }
    }
}

/// Whether an index that went from `old` to `new` passed `event` (`vring_need_event`).
fn passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// An eventfd that is full, or closed at its other end, needs no further signal.
fn signal(event: Option<&Arc<OwnedFd>>) {
    if let Some(event) = event {
        let _ = write(event, &1u64.to_ne_bytes());
    }
}
