//! Pointers to the fields of `struct rte_mbuf` (DPDK `lib/mbuf/rte_mbuf_core.h`).
//!
//! The struct's fields are nested in groups and unions whose shape changed between 22.11 and 24.11,
//! so [`rte_mbuf`] is opaque here and the offsets come from the C compiler. Every function only
//! computes an address; as with any field, the pointer is good for reads and writes while the mbuf is.

use crate::*;

/// The field at `offset`.
///
/// # Safety
/// `mbuf` points to an `rte_mbuf`, and `offset` is that of a field of type `T`.
#[inline(always)]
const unsafe fn field<T>(mbuf: *mut rte_mbuf, offset: dpdk_sys_mbuf_offset) -> *mut T {
    // SAFETY: the offset of a field lies inside of the struct, by this function's contract.
    unsafe { mbuf.byte_add(offset as usize).cast() }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $offset:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// `mbuf` points to an `rte_mbuf`.
        #[inline(always)]
        pub const unsafe fn $name(mbuf: *mut rte_mbuf) -> *mut $type {
            // SAFETY: the caller's promise, and `dpdk.h` takes the offset from the field.
            unsafe { field(mbuf, $offset) }
        }
    )*};
}

fields! {
    /// Start of the segment's buffer, headroom included.
    buf_addr: *mut u8 = DPDK_SYS_MBUF_BUF_ADDR;
    /// Length of the segment's buffer in bytes, headroom included.
    buf_len: u16 = DPDK_SYS_MBUF_BUF_LEN;
    /// Where the data starts, in bytes from `buf_addr`.
    data_off: u16 = DPDK_SYS_MBUF_DATA_OFF;
    /// Bytes of data in this segment.
    data_len: u16 = DPDK_SYS_MBUF_DATA_LEN;
    /// Bytes of data in all segments; valid in the first one.
    pkt_len: u32 = DPDK_SYS_MBUF_PKT_LEN;
    /// Number of segments; valid in the first one.
    nb_segs: u16 = DPDK_SYS_MBUF_NB_SEGS;
    /// The next segment, or null.
    next: *mut rte_mbuf = DPDK_SYS_MBUF_NEXT;
}
