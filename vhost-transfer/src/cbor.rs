//! Decoding of what must be one CBOR value and nothing else.

use minicbor::decode::Error;
use minicbor::{Decode, Decoder};

/// The value that fills `bytes`. Never a panic, and no more memory than a small multiple of what
/// `bytes` occupy: minicbor reserves nothing for announced lengths and skips without recursion.
pub(crate) fn decode_whole<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Error> {
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode()?;
    if decoder.position() == bytes.len() {
        Ok(value)
    } else {
        Err(Error::message("bytes follow the value").at(decoder.position()))
    }
}
