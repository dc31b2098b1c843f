//! A message on the control socket: its length in four bytes, big endian, then so many bytes of
//! JSON, `{"schema": 1, "body": ...}`.

use super::protocol::SCHEMA;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A request of more bytes than this is refused.
pub const MAX_REQUEST: usize = 64 * 1024;
/// A response of more bytes than this is refused: all ports and devices fit many times.
pub const MAX_RESPONSE: usize = 4 * 1024 * 1024;
/// Bytes that hold the length.
pub(super) const PREFIX: usize = 4;

/// Why bytes are no message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// Its length is beyond the limit.
    #[error("a control message of {length} bytes; the limit is {limit}")]
    TooLong {
        /// What it claims.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The other end is of another version.
    #[error(
        "a control message of schema {theirs}, and this vswsup speaks {SCHEMA}: use the command \
         line of the same version as the running supervisor"
    )]
    Schema {
        /// Theirs.
        theirs: u32,
    },
    /// It is no JSON, or not what was expected.
    #[error("a control message that cannot be read: {0}")]
    Body(String),
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    schema: u32,
    body: &'a T,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    schema: u32,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The bytes of `body`.
///
/// # Errors
/// [`FrameError::TooLong`], and [`FrameError::Body`] for a path that is not UTF-8.
pub fn encode<T: Serialize>(body: &T, limit: usize) -> Result<Vec<u8>, FrameError> {
    let schema = SCHEMA;
    let json = serde_json::to_vec(&Outgoing { schema, body }).map_err(unreadable)?;
    let length = json.len();
    let prefix = u32::try_from(length)
        .ok()
        .filter(|_| length <= limit)
        .ok_or(FrameError::TooLong { length, limit })?;
    Ok([&prefix.to_be_bytes()[..], &json].concat())
}

/// How many bytes a message takes that begins with `bytes`, once its length is among them.
///
/// # Errors
/// [`FrameError::TooLong`].
pub fn length(bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*prefix) as usize;
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    Ok(Some(PREFIX + length))
}

/// The message that is all of `bytes`.
///
/// # Errors
/// [`FrameError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    let json = bytes.get(PREFIX..).unwrap_or_default();
    let incoming: Incoming<'_> = serde_json::from_slice(json).map_err(unreadable)?;
    if incoming.schema != SCHEMA {
        return Err(FrameError::Schema {
            theirs: incoming.schema,
        });
    }
    serde_json::from_str(incoming.body.get()).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> FrameError {
    FrameError::Body(error.to_string())
}

#[cfg(test)]
mod tests;
