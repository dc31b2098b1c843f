//! What a port asks of the rest of the instance.

use crate::memory::GuestMemory;
use std::sync::Arc;
use vhost_transfer::ledger::RingPosition;
use vhost_transfer::{Device, PortId};

/// How far the messages of a front end are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handled {
    /// The message that made this revision of the device is consumed and answered.
    pub revision: u64,
    /// A message is being consumed whose answer may not be out.
    pub owes_answer: bool,
}

impl Handled {
    /// Everything up to this revision, and every answer is out.
    pub fn all(revision: u64) -> Self {
        Self {
            revision,
            owes_answer: false,
        }
    }

    /// As one word, so that it is never half written.
    pub fn to_word(self) -> u64 {
        self.revision << 1 | u64::from(self.owes_answer)
    }

    /// From one word.
    pub fn from_word(word: u64) -> Self {
        Self {
            revision: word >> 1,
            owes_answer: word & 1 == 1,
        }
    }
}

/// What has been done for a message of a front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was looked at.
    Peeked,
    /// The device that it makes is ready to be sent to the vault.
    Packed,
    /// That device is on its way there.
    Sent,
    /// The vault has it.
    Stored,
    /// What is owed for it was noted.
    Noted,
    /// It was taken out of the socket.
    Consumed,
    /// The lanes use the device that it made.
    Applied,
    /// It was answered, if it was to be.
    Replied,
    /// That nothing is owed any more was noted.
    Settled,
}

/// The lanes, the ledger and the lifeline, as a port sees them.
pub trait Backend {
    /// Sends the device up to the vault; [`super::VhostPort::on_stored`] follows.
    fn store(&mut self, device: &Device);

    /// Notes how far the front end's messages are handled, where the next instance finds it even
    /// when this one dies.
    fn note(&mut self, port: PortId, handled: Handled);

    /// What was noted last, by whichever instance.
    fn noted(&mut self, port: PortId) -> Handled;

    /// The device is no more. With `trouble` when that was not the front end's wish.
    fn gone(&mut self, port: PortId, trouble: Option<String>);

    /// Something that an operator should know.
    fn trouble(&mut self, port: PortId, trouble: String);

    /// The lanes use the device as it is now, `None`: not at all. On return no lane uses what was
    /// before.
    fn apply(&mut self, port: PortId, device: Option<(&Device, &Arc<GuestMemory>)>);

    /// The lanes let go of this ring; on return its position stands.
    fn stop_ring(&mut self, port: PortId, ring: u16) -> RingPosition;

    /// Where a ring that is about to be started is to begin.
    fn set_position(&mut self, port: PortId, ring: u16, position: RingPosition);

    /// A step of the message with this code is done. Only tests that let an instance die there want
    /// to know.
    fn reached(&mut self, _step: Step, _code: u32) {}

    /// Sends a RARP for `mac` from this port into the switch.
    fn send_rarp(&mut self, port: PortId, mac: [u8; 6]);
}
