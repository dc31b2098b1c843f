//! Descriptor chains, read into a list of segments of our own.

use super::layout::{DESCRIPTOR, Descriptor, INDIRECT, NEXT, WRITE};
use super::{Ring, RingError};
use std::ptr::NonNull;

/// Segments that a chain, or a packet, may have here; one with more is dropped.
pub(super) const MAX_SEGMENTS: usize = 64;
/// The longest packet, bytes, without its virtio-net header: a jumbo frame.
pub const MAX_FRAME: u32 = 9728;

/// Contiguous bytes of guest memory or of an mbuf.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Its first byte.
    pub at: NonNull<u8>,
    /// Its bytes.
    pub len: u32,
}

// SAFETY: it names memory that is shared anyhow; who uses it must see to it that it is mapped.
unsafe impl Send for Segment {}

/// The segments of a chain or of a packet, kept between packets so that nothing is allocated.
#[derive(Debug)]
pub struct Frame {
    segments: [Segment; MAX_SEGMENTS],
    count: usize,
    len: u32,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            segments: [Segment {
                at: NonNull::dangling(),
                len: 0,
            }; MAX_SEGMENTS],
            count: 0,
            len: 0,
        }
    }
}

impl Frame {
    /// Bytes.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// It has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.count = 0;
        self.len = 0;
    }

    /// Appends; false when it has too many segments or bytes already.
    pub fn push(&mut self, segment: Segment) -> bool {
        let Some(len) = self.len.checked_add(segment.len) else {
            return false;
        };
        let Some(place) = self.segments.get_mut(self.count) else {
            return false;
        };
        *place = segment;
        self.count += 1;
        self.len = len;
        true
    }

    /// Takes `bytes` off its front; false when it has fewer.
    pub(super) fn skip(&mut self, bytes: u32) -> bool {
        if bytes > self.len {
            return false;
        }
        self.len -= bytes;
        let mut left = bytes;
        let whole = self
            .segments()
            .iter()
            .take_while(|segment| take_whole(&mut left, segment.len))
            .count();
        self.segments.copy_within(whole..self.count, 0);
        self.count -= whole;
        if left > 0 {
            let first = &mut self.segments[0];
            // SAFETY: `left` is less than the segment's length, or it had been taken whole.
            first.at = unsafe { first.at.add(left as usize) };
            first.len -= left;
        }
        true
    }

    /// Copies its bytes to `to`.
    ///
    /// # Safety
    /// `to` must be writable for [`Self::len`] bytes that do not overlap the frame's.
    pub unsafe fn copy_to(&self, mut to: NonNull<u8>) {
        for segment in self.segments() {
            // SAFETY: the segments together have `len` bytes, and the caller vouches for so many.
            unsafe {
                to.copy_from_nonoverlapping(segment.at, segment.len as usize);
                to = to.add(segment.len as usize);
            }
        }
    }

    /// The first `N` bytes, `None` when it has fewer.
    pub fn prefix<const N: usize>(&self) -> Option<[u8; N]> {
        if (self.len as usize) < N {
            return None;
        }
        let mut bytes = [0; N];
        let mut filled = 0;
        for segment in self.segments() {
            let take = (segment.len as usize).min(N - filled);
            // SAFETY: `take` bytes are in the segment and fit into what is left of `bytes`.
            unsafe {
                segment
                    .at
                    .copy_to_nonoverlapping(NonNull::from(&mut bytes[filled..]).cast(), take)
            };
            filled += take;
        }
        Some(bytes)
    }
}

fn take_whole(left: &mut u32, len: u32) -> bool {
    let whole = *left >= len;
    if whole {
        *left -= len;
    }
    whole
}

/// What a chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The device reads it.
    FromGuest,
    /// The device writes it.
    ToGuest,
}

/// Whether the chain's segments can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usable {
    Yes,
    /// Too many segments, memory that the guest does not have, or the wrong direction: to be given
    /// back unused.
    No,
}

impl Ring {
    /// Appends the chain at `head` to `frame`.
    ///
    /// # Errors
    /// [`RingError`] when the chain itself is broken, after which the ring cannot be trusted.
    pub(super) fn walk(
        &self,
        head: u16,
        direction: Direction,
        frame: &mut Frame,
    ) -> Result<Usable, RingError> {
        let first = self.parts.descriptor(head)?;
        if first.flags & INDIRECT == 0 {
            let table = |index| self.parts.descriptor(index);
            return self.follow(head, first, self.parts.size(), table, direction, frame);
        }
        let count = indirect_count(&first).ok_or(RingError::Chain(head))?;
        let Some(base) = self.indirect_table(&first) else {
            return Ok(Usable::No);
        };
        let table = |index: u16| {
            if index >= count {
                return Err(RingError::Descriptor(index));
            }
            // SAFETY: the table has `count` descriptors, contiguous in the guest's memory; they may
            // lie unaligned.
            Ok(unsafe {
                base.cast::<Descriptor>()
                    .add(usize::from(index))
                    .read_unaligned()
            })
        };
        self.follow(head, table(0)?, count, table, direction, frame)
    }

    fn follow(
        &self,
        head: u16,
        first: Descriptor,
        limit: u16,
        table: impl Fn(u16) -> Result<Descriptor, RingError>,
        direction: Direction,
        frame: &mut Frame,
    ) -> Result<Usable, RingError> {
        let mut usable = Usable::Yes;
        let mut descriptor = first;
        for _ in 0..limit {
            if descriptor.flags & INDIRECT != 0 {
                return Err(RingError::Chain(head));
            }
            if !self.append(&descriptor, direction, frame) {
                usable = Usable::No;
            }
            if descriptor.flags & NEXT == 0 {
                return Ok(usable);
            }
            descriptor = table(descriptor.next)?;
        }
        Err(RingError::Chain(head))
    }

    /// Appends a buffer, which may lie across several regions of memory.
    fn append(&self, descriptor: &Descriptor, direction: Direction, frame: &mut Frame) -> bool {
        let to_guest = descriptor.flags & WRITE != 0;
        if to_guest != (direction == Direction::ToGuest) {
            return false;
        }
        let (mut addr, mut left) = (descriptor.addr, descriptor.len);
        while left > 0 {
            let Some((at, len)) = self.memory.guest_range(addr, left) else {
                return false;
            };
            if !frame.push(Segment { at, len }) {
                return false;
            }
            addr = addr.wrapping_add(u64::from(len));
            left -= len;
        }
        true
    }

    fn indirect_table(&self, descriptor: &Descriptor) -> Option<NonNull<u8>> {
        let (at, len) = self.memory.guest_range(descriptor.addr, descriptor.len)?;
        (len == descriptor.len).then_some(at)
    }
}

/// Descriptors of an indirect table; `None` when its length or its flags are wrong.
fn indirect_count(descriptor: &Descriptor) -> Option<u16> {
    let len = descriptor.len as usize;
    let whole = len.is_multiple_of(DESCRIPTOR) && descriptor.flags & NEXT == 0;
    u16::try_from(len / DESCRIPTOR)
        .ok()
        .filter(|&count| whole && count > 0)
}
