//! The frame around every lifeline message: a fixed header, then a CBOR body.
//!
//! ```text
//! 0  magic "VSWL"   4  format u16   6  lowest reader u16   8  body length u32
//! 12 CRC-32 of the body u32         16 fd count u16        18 zero u16
//! ```
//! All numbers are little-endian.

/// First bytes of every frame.
pub const MAGIC: [u8; 4] = *b"VSWL";
/// The format that this version writes.
pub const FORMAT: u16 = 1;
/// The lowest format whose reader understands what this version writes.
pub const LOWEST_READER: u16 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 20;
/// The largest body, bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The most fds with one message (Linux `SCM_MAX_FD`).
pub const MAX_FDS: usize = 253;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than a header, or than its header says; or longer.
    #[error("lifeline message has {got} bytes where {expected} belong: truncated or hostile")]
    Length {
        /// By the header.
        expected: usize,
        /// Received.
        got: usize,
    },
    /// Not a frame at all.
    #[error("lifeline message does not begin with the magic number: not a vswsup peer")]
    Magic,
    /// A newer peer that wants a newer reader.
    #[error(
        "peer writes format {format} for readers of {lowest} and newer; this version reads {FORMAT}: upgrade this side first"
    )]
    TooNew {
        /// The peer's.
        format: u16,
        /// What it wants.
        lowest: u16,
    },
    /// The body was changed on its way.
    #[error("lifeline message is damaged: its checksum is wrong")]
    Checksum,
    /// Lies about its fds.
    #[error("lifeline message announces {announced} fds and brings {got}")]
    FdCount {
        /// By the header.
        announced: usize,
        /// Received.
        got: usize,
    },
    /// Larger than [`MAX_BODY`] or more than [`MAX_FDS`].
    #[error(
        "lifeline message of {bytes} bytes and {fds} fds is over the limit of {MAX_BODY} and {MAX_FDS}"
    )]
    TooLarge {
        /// Of the body.
        bytes: usize,
        /// With it.
        fds: usize,
    },
    /// The body is no message of this version.
    #[error("lifeline message cannot be read: {0}")]
    Body(String),
}

/// Puts a header before `body`.
///
/// # Errors
/// [`FrameError::TooLarge`].
pub fn seal(body: &[u8], fds: usize) -> Result<Vec<u8>, FrameError> {
    let too_large = FrameError::TooLarge {
        bytes: body.len(),
        fds,
    };
    let length = u32::try_from(body.len()).map_err(|_| too_large.clone())?;
    let count = u16::try_from(fds).map_err(|_| too_large.clone())?;
    if body.len() > MAX_BODY || fds > MAX_FDS {
        return Err(too_large);
    }
    let mut frame = Vec::with_capacity(HEADER_LEN + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&FORMAT.to_le_bytes());
    frame.extend_from_slice(&LOWEST_READER.to_le_bytes());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    frame.extend_from_slice(&count.to_le_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(body);
    Ok(frame)
}

/// The body of a frame that came with `fds` fds.
///
/// # Errors
/// [`FrameError`], never a panic, whatever the bytes are.
pub fn open(frame: &[u8], fds: usize) -> Result<&[u8], FrameError> {
    let short = FrameError::Length {
        expected: HEADER_LEN,
        got: frame.len(),
    };
    let (header, body) = frame.split_at_checked(HEADER_LEN).ok_or(short)?;
    let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let u32_at = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if header[..4] != MAGIC {
        return Err(FrameError::Magic);
    }
    let (format, lowest) = (u16_at(4), u16_at(6));
    if lowest > FORMAT {
        return Err(FrameError::TooNew { format, lowest });
    }
    let expected = HEADER_LEN.saturating_add(u32_at(8) as usize);
    if expected != frame.len() {
        return Err(FrameError::Length {
            expected,
            got: frame.len(),
        });
    }
    if crc32fast::hash(body) != u32_at(12) {
        return Err(FrameError::Checksum);
    }
    let announced = usize::from(u16_at(16));
    if announced != fds {
        return Err(FrameError::FdCount {
            announced,
            got: fds,
        });
    }
    Ok(body)
}
