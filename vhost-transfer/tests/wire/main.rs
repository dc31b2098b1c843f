//! The wire format of lifeline messages and packed devices: round trips, any bytes, evolution, and
//! the golden files of every released format.

mod arbitrary;
mod evolution;
mod golden;
mod memory;
mod round_trip;
mod totality;

use minicbor::{Decode, Encode};
use vhost_transfer::frame::{self, FrameError};

/// The frame that a lifeline sends for `message` with `fds` fds.
fn sealed<M: Encode<()>>(message: &M, fds: usize) -> Vec<u8> {
    let body = minicbor::to_vec(message).expect("a vector takes all bytes");
    frame::seal(&body, fds).expect("test messages are small")
}

/// The message in a frame, as a lifeline reads it.
fn opened<M: for<'b> Decode<'b, ()>>(frame: &[u8], fds: usize) -> Result<M, FrameError> {
    minicbor::decode(frame::open(frame, fds)?).map_err(|e| FrameError::Body(e.to_string()))
}
