//! One packet buffer.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use dpdk_sys::{mbuf as field, rte_mbuf};

/// A packet in a buffer of a mempool, to which it goes back when dropped.
///
/// Received packets may be spread over several buffers (*segments*); the ones made here have one.
#[derive(Debug)]
#[repr(transparent)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: an mbuf belongs to no thread, and a mempool takes it back from any.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// # Safety
    /// `mbuf` is the first segment of a valid chain that nobody else holds, with reference count 1.
    #[inline]
    pub(super) const unsafe fn from_raw(mbuf: NonNull<rte_mbuf>) -> Self {
        Self(mbuf)
    }

    /// Bytes of the whole packet.
    #[inline]
    pub fn packet_len(&self) -> usize {
        // SAFETY: the mbuf is valid, by `from_raw`.
        unsafe { *field::pkt_len(self.0.as_ptr()) as usize }
    }

    /// The first segment's data: the whole packet if [`is_contiguous`](Self::is_contiguous).
    #[inline]
    pub fn data(&self) -> &[u8] {
        // SAFETY: the mbuf is valid and lent by `self`.
        unsafe { segment(self.0) }
    }

    /// As [`data`](Self::data), to write.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mbuf is valid, nobody else holds it, and it is lent exclusively by `self`.
        unsafe {
            let (start, length) = segment_range(self.0);
            slice::from_raw_parts_mut(start, length)
        }
    }

    /// Whether the whole packet is in one segment.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.segment_count() == 1
    }

    /// The data of each segment in turn.
    #[inline]
    pub fn segments(&self) -> Segments<'_> {
        Segments {
            next: Some(self.0),
            left: self.segment_count(),
            _packet: PhantomData,
        }
    }

    /// How many bytes [`append`](Self::append) can add.
    #[inline]
    pub fn tailroom(&self) -> usize {
        if !self.is_contiguous() {
            return 0;
        }
        let mbuf = self.0.as_ptr();
        // SAFETY: the mbuf is valid, by `from_raw`.
        let (size, offset, length) = unsafe {
            (
                *field::buf_len(mbuf),
                *field::data_off(mbuf),
                *field::data_len(mbuf),
            )
        };
        usize::from(size).saturating_sub(usize::from(offset) + usize::from(length))
    }

    /// Makes the packet `length` bytes longer and returns the new bytes to be written: they hold
    /// whatever the buffer held. `None`, and no change, when `length` exceeds the tailroom.
    #[inline]
    pub fn append(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > self.tailroom() {
            return None;
        }
        let before = self.data().len();
        self.set_len(before + length);
        Some(&mut self.data_mut()[before..])
    }

    /// Cuts the packet to `length` bytes, if it is longer and contiguous.
    #[inline]
    pub fn truncate(&mut self, length: usize) {
        if self.is_contiguous() && length < self.packet_len() {
            self.set_len(length);
        }
    }

    /// Says that the packet has so many segments, though it has one: for a driver that counts them
    /// before it goes from one to the next. Giving it back to its mempool corrects that.
    pub(super) fn claim_segments(&mut self, count: u16) {
        // SAFETY: the mbuf is valid and lent exclusively by `self`. Who follows the chain comes to its
        // end first, for its only segment has no next one.
        unsafe { *field::nb_segs(self.0.as_ptr()) = count };
    }

    /// `length` fits into the only segment's buffer, and so into 16 bits.
    #[inline]
    fn set_len(&mut self, length: usize) {
        let mbuf = self.0.as_ptr();
        // SAFETY: the mbuf is valid and lent exclusively by `self`.
        unsafe {
            *field::data_len(mbuf) = length as u16;
            *field::pkt_len(mbuf) = length as u32;
        }
    }

    #[inline]
    fn segment_count(&self) -> u16 {
        // SAFETY: the mbuf is valid, by `from_raw`.
        unsafe { *field::nb_segs(self.0.as_ptr()) }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the chain is valid and nobody else holds it.
        unsafe { dpdk_sys::rte_pktmbuf_free(self.0.as_ptr()) };
    }
}

/// The data of each segment of a packet: see [`Mbuf::segments`].
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    next: Option<NonNull<rte_mbuf>>,
    left: u16,
    _packet: PhantomData<&'a Mbuf>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let mbuf = self.next?;
        self.left = self.left.checked_sub(1)?;
        // SAFETY: a segment of a valid chain, lent by the packet for 'a.
        unsafe {
            self.next = NonNull::new(*field::next(mbuf.as_ptr()));
            Some(segment(mbuf))
        }
    }
}

/// Where a segment's data is: `rte_pktmbuf_mtod` and `rte_pktmbuf_data_len` of DPDK.
///
/// # Safety
/// `mbuf` is valid.
#[inline]
unsafe fn segment_range(mbuf: NonNull<rte_mbuf>) -> (*mut u8, usize) {
    let mbuf = mbuf.as_ptr();
    // SAFETY: the data of a valid mbuf lies inside of its buffer.
    unsafe {
        let start = (*field::buf_addr(mbuf)).add(usize::from(*field::data_off(mbuf)));
        (start, usize::from(*field::data_len(mbuf)))
    }
}

/// # Safety
/// `mbuf` is valid and not written to during `'a`.
#[inline]
unsafe fn segment<'a>(mbuf: NonNull<rte_mbuf>) -> &'a [u8] {
    // SAFETY: the caller's promise; mempool memory is mapped and initialised.
    unsafe {
        let (start, length) = segment_range(mbuf);
        slice::from_raw_parts(start, length)
    }
}
