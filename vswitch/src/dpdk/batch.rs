//! A burst of packets, on the stack or in a lane, without allocation.

use std::ops::{Deref, DerefMut};
use std::ptr;

use arrayvec::ArrayVec;
use dpdk_sys::rte_mbuf;

use super::Mbuf;

/// Up to `N` packets (`N` below 65,536); those left when it is dropped go back to their mempool.
#[derive(Debug, Default)]
pub struct MbufBatch<const N: usize>(ArrayVec<Mbuf, N>);

impl<const N: usize> MbufBatch<N> {
    const FITS_A_BURST: () = assert!(N <= u16::MAX as usize, "a burst has at most 65,535 packets");

    /// An empty batch.
    #[inline]
    pub fn new() -> Self {
        let () = Self::FITS_A_BURST;
        Self(ArrayVec::new())
    }

    /// Adds a packet at the end, or gives it back when the batch is full.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        self.0.try_push(mbuf).map_err(|full| full.element())
    }

    /// Takes the last packet.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.0.pop()
    }

    /// Takes all packets in order.
    #[inline]
    pub fn drain(&mut self) -> impl DoubleEndedIterator<Item = Mbuf> + ExactSizeIterator {
        self.0.drain(..)
    }

    /// How many more packets there is room for.
    #[inline]
    pub const fn room(&self) -> usize {
        self.0.remaining_capacity()
    }

    /// Gives all packets back to their mempool, in one go.
    #[inline]
    pub fn clear(&mut self) {
        let (first, count) = self.waiting();
        // SAFETY: the batch owns `count` chains from `first` on, and forgets them here.
        unsafe {
            self.0.set_len(0);
            dpdk_sys::rte_pktmbuf_free_bulk(first, count.into());
        }
    }

    /// The packets in it, for a call that takes ownership of the first ones.
    #[inline]
    pub(super) fn waiting(&mut self) -> (*mut *mut rte_mbuf, u16) {
        // An Mbuf is transparent over a pointer to an rte_mbuf. N, and so the length, fits 16 bits.
        (self.0.as_mut_ptr().cast(), self.0.len() as u16)
    }

    /// The free places behind them, for a call that fills the first ones.
    #[inline]
    pub(super) fn free(&mut self) -> (*mut *mut rte_mbuf, u16) {
        let (first, count) = (self.0.len(), self.room());
        // SAFETY: the length is at most the capacity.
        let free = unsafe { self.0.as_mut_ptr().add(first) };
        (free.cast(), count as u16)
    }

    /// Counts the first `count` free places as packets.
    ///
    /// # Safety
    /// `count` is at most [`room`](Self::room), and these places hold mbufs as `Mbuf::from_raw` wants them.
    #[inline]
    pub(super) unsafe fn filled(&mut self, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.set_len(self.0.len() + count) };
    }

    /// Forgets the first `count` packets, which have a new owner, and moves the others to the front.
    ///
    /// # Safety
    /// `count` is at most the length, and nothing here is responsible for these packets any more.
    #[inline]
    pub(super) unsafe fn taken(&mut self, count: usize) {
        let left = self.0.len() - count;
        // SAFETY: both ranges are inside of the length; the moved packets exist once afterwards,
        // because the length excludes their old places.
        unsafe {
            let first = self.0.as_mut_ptr();
            ptr::copy(first.add(count), first, left);
            self.0.set_len(left);
        }
    }
}

impl<const N: usize> Deref for MbufBatch<N> {
    type Target = [Mbuf];

    #[inline]
    fn deref(&self) -> &[Mbuf] {
        &self.0
    }
}

impl<const N: usize> DerefMut for MbufBatch<N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Mbuf] {
        &mut self.0
    }
}

impl<const N: usize> Drop for MbufBatch<N> {
    fn drop(&mut self) {
        self.clear();
    }
}
