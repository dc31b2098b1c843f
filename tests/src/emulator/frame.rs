//! The frames of a measurement: every byte of one can be told from its flow, number, time and length.
//!
//! ```text
//! 0         6         12     14     18    20    22        30       38 ..
//! to (MAC)  from      0x88b5 magic  flow  size  sequence  sent at  pattern
//! ```
//! All numbers are big-endian; `sent at` is CLOCK_MONOTONIC in nanoseconds. The pattern depends on every
//! field of the header, so a change anywhere behind the addresses is seen as a wrong pattern.

use std::fmt;

use super::clock::Nanos;

/// IEEE 802 "local experimental ethertype 1".
pub const ETHERTYPE: u16 = 0x88b5;
/// Shortest and longest frame, in bytes on a wire: with the 4 bytes of the frame check sequence, which no
/// ring carries (RFC 2544, section 9.1). A buffer holds 4 bytes less: 60 to 1514.
pub const WIRE_SIZES: std::ops::RangeInclusive<u16> = 64..=1518;

const CHECK_SEQUENCE: u16 = 4;
const MAGIC: u32 = 0x7673_7770;
const PATTERN: usize = 38;
const ANNOUNCEMENT: u16 = u16::MAX;

/// The sequence number of a probe, which only shows that a path is open.
pub(crate) const PROBE: u64 = u64::MAX;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The broadcast address.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// The fixed, locally administered address of endpoint `number`.
    pub fn of_endpoint(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        Mac([0x02, b'v', b's', b'w', high, low])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) flow: u16,
    pub(crate) sequence: u64,
    pub(crate) sent_at: Nanos,
}

/// What an endpoint received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A frame of a flow, whole.
    Whole(Content),
    /// A frame that claims to be of this flow but was changed on its way.
    Corrupted(u16),
    /// An endpoint's announcement of its address.
    Announcement,
    /// Not a frame of this instrument.
    Foreign,
}

/// Bytes in a buffer of a frame that has `wire_size` bytes on a wire.
pub(crate) fn buffer_size(wire_size: u16) -> usize {
    usize::from(wire_size - CHECK_SEQUENCE)
}

/// Writes a frame that fills `frame`, which has at least 60 bytes.
pub(crate) fn write(frame: &mut [u8], to: Mac, from: Mac, content: Content) {
    let size = frame.len() as u16;
    frame[0..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&from.0);
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    frame[14..18].copy_from_slice(&MAGIC.to_be_bytes());
    frame[18..20].copy_from_slice(&content.flow.to_be_bytes());
    frame[20..22].copy_from_slice(&size.to_be_bytes());
    frame[22..30].copy_from_slice(&content.sequence.to_be_bytes());
    frame[30..38].copy_from_slice(&content.sent_at.to_be_bytes());
    let seed = seed(content, size);
    for (chunk, word) in frame[PATTERN..].chunks_mut(8).zip(pattern(seed)) {
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
}

/// Writes the broadcast by which a learning switch gets to know `from`.
pub(crate) fn write_announcement(frame: &mut [u8], from: Mac, now: Nanos) {
    let content = Content {
        flow: ANNOUNCEMENT,
        sequence: 0,
        sent_at: now,
    };
    write(frame, Mac::BROADCAST, from, content);
}

/// Reads a frame and checks all of it.
pub(crate) fn read(frame: &[u8]) -> Arrival {
    if frame.len() < buffer_size(*WIRE_SIZES.start())
        || frame[12..14] != ETHERTYPE.to_be_bytes()
        || frame[14..18] != MAGIC.to_be_bytes()
    {
        return Arrival::Foreign;
    }
    let content = Content {
        flow: u16::from_be_bytes(array(frame, 18)),
        sequence: u64::from_be_bytes(array(frame, 22)),
        sent_at: u64::from_be_bytes(array(frame, 30)),
    };
    let size = u16::from_be_bytes(array(frame, 20));
    match is_whole(frame, content, size) {
        false => Arrival::Corrupted(content.flow),
        true if content.flow == ANNOUNCEMENT => Arrival::Announcement,
        true => Arrival::Whole(content),
    }
}

fn is_whole(frame: &[u8], content: Content, size: u16) -> bool {
    usize::from(size) == frame.len()
        && frame[PATTERN..]
            .chunks(8)
            .zip(pattern(seed(content, size)))
            .all(|(chunk, word)| chunk == &word[..chunk.len()])
}

fn array<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    frame[at..at + N].try_into().expect("N bytes")
}

fn seed(content: Content, size: u16) -> u64 {
    let place = u64::from(content.flow) << 16 | u64::from(size);
    mix(mix(mix(place) ^ content.sequence) ^ content.sent_at)
}

fn pattern(seed: u64) -> impl Iterator<Item = [u8; 8]> {
    (0..).map(move |index: u64| (seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
}

/// The finalizer of SplitMix64: every bit of the input changes half of the output.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Content = Content {
        flow: 3,
        sequence: 77,
        sent_at: 123_456_789,
    };

    fn frame(size: usize) -> Vec<u8> {
        let mut frame = vec![0; size];
        write(
            &mut frame,
            Mac::of_endpoint(1),
            Mac::of_endpoint(2),
            CONTENT,
        );
        frame
    }

    #[test]
    fn what_is_written_is_read() {
        for size in 60..=1514 {
            assert_eq!(read(&frame(size)), Arrival::Whole(CONTENT));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let whole = frame(100);
        for at in 18..100 {
            let mut frame = whole.clone();
            frame[at] ^= 0x10;
            assert!(matches!(read(&frame), Arrival::Corrupted(_)), "byte {at}");
        }
    }

    #[test]
    fn a_cut_or_padded_frame_is_noticed() {
        let whole = frame(100);
        assert_eq!(read(&whole[..99]), Arrival::Corrupted(3));
        assert_eq!(read(&[&whole[..], &[0]].concat()), Arrival::Corrupted(3));
        assert_eq!(read(&whole[..59]), Arrival::Foreign);
    }

    #[test]
    fn announcements_and_foreign_frames_are_told_apart() {
        let mut bytes = [0; 60];
        write_announcement(&mut bytes, Mac::of_endpoint(1), 1);
        assert_eq!(read(&bytes), Arrival::Announcement);
        assert_eq!(bytes[..6], Mac::BROADCAST.0);
        bytes[13] = 0;
        assert_eq!(read(&bytes), Arrival::Foreign);
    }
}
