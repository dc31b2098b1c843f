//! Packing a device into bytes and fds, and back.

use super::{Device, DeviceFds, DeviceState};
use crate::{MAX_MEMORY_REGIONS, MAX_RINGS, cbor};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Why bytes and fds are not a device.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The bytes are not a device's.
    #[error("packed device is damaged or of a foreign format: {0}")]
    Malformed(#[from] minicbor::decode::Error),
    /// The writer says that field must be understood, and this version does not know it.
    #[error(
        "packed device needs field {0}, which this version does not know: run the same version on both sides"
    )]
    UnknownField(u32),
    /// The fds do not fit the state.
    #[error("packed device needs {expected} fds, {got} came with it")]
    FdCount {
        /// By its state.
        expected: usize,
        /// Received.
        got: usize,
    },
    /// More regions or rings than a device may have.
    #[error("packed device has {got} {what}, more than the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Found.
        got: usize,
        /// Allowed.
        limit: usize,
    },
}

impl Device {
    /// The bytes and the fds to send, in order. The state must tell of every fd, and of no other:
    /// otherwise the receiver would give them the wrong places.
    pub fn pack(&self) -> (Vec<u8>, Vec<BorrowedFd<'_>>) {
        debug_assert!(self.fds.fit(&self.state), "fds do not fit the state");
        (self.state.to_bytes(), self.fds.in_order())
    }

    /// The device that was packed.
    ///
    /// # Errors
    /// [`PackError`]; the fds are closed then.
    pub fn unpack(bytes: &[u8], fds: Vec<OwnedFd>) -> Result<Self, PackError> {
        let state = DeviceState::from_bytes(bytes)?;
        let fds = DeviceFds::assign(&state, fds)?;
        Ok(Self { state, fds })
    }
}

impl DeviceState {
    /// As a CBOR map.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("a vector takes all bytes")
    }

    /// From a CBOR map of this or another version.
    ///
    /// # Errors
    /// [`PackError`], never a panic, whatever the bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackError> {
        let state: Self = cbor::decode_whole(bytes)?;
        let known = |field: &&u32| **field >= Self::KNOWN_FIELDS;
        if let Some(&field) = state.must_understand.iter().find(known) {
            return Err(PackError::UnknownField(field));
        }
        limit("memory regions", state.memory.len(), MAX_MEMORY_REGIONS)?;
        limit("rings", state.rings.len(), usize::from(MAX_RINGS))?;
        Ok(state)
    }
}

fn limit(what: &'static str, got: usize, limit: usize) -> Result<(), PackError> {
    if got > limit {
        Err(PackError::TooMany { what, got, limit })
    } else {
        Ok(())
    }
}
