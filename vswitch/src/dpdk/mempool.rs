//! A pool of packet buffers.

use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::rte_mempool;

use super::eal::c_string;
use super::error::{Code, Messages};
use super::{DpdkError, Eal, Mbuf, MbufBatch};

/// A pool of packet buffers of one size. Clones share it; all threads may use it, registered lanes
/// do so without contention.
///
/// If packets are still out when the last clone goes, the pool stays for them, and so does DPDK.
#[derive(Debug, Clone)]
pub struct Mempool(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    raw: NonNull<rte_mempool>,
    data_room: u16,
    eal: Eal,
}

// SAFETY: pktmbuf pools are made with the multi-producer, multi-consumer ring.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// The size of a [`Mempool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolConfig {
    /// Number of buffers. DPDK recommends a power of two minus one.
    pub mbufs: u32,
    /// Buffers that each registered lane keeps to itself: at most 512 and two thirds of `mbufs`.
    pub cache: u32,
    /// Bytes for data in a buffer, besides DPDK's headroom.
    pub data_room: u16,
}

impl Default for MempoolConfig {
    /// 8,191 buffers for frames of the usual MTU: 20 MiB.
    fn default() -> Self {
        Self {
            mbufs: 8191,
            cache: 256,
            data_room: dpdk_sys::RTE_MBUF_DEFAULT_DATAROOM as u16,
        }
    }
}

impl Mempool {
    /// Makes a pool named `name`, at most 25 bytes (`rte_pktmbuf_pool_create`).
    ///
    /// # Errors
    /// [`DpdkError::NoMemory`] when DPDK's memory does not hold it; [`DpdkError::Call`] when the
    /// name is taken or a size is out of range.
    pub fn new(eal: &Eal, name: &str, config: &MempoolConfig) -> Result<Self, DpdkError> {
        loop {
            match Self::try_new(eal, name, config) {
                Err(DpdkError::NoMemory { .. }) if eal.more_memory()? => {}
                outcome => return outcome,
            }
        }
    }

    fn try_new(eal: &Eal, name: &str, config: &MempoolConfig) -> Result<Self, DpdkError> {
        let c_name = c_string(name)?;
        let buffer = config
            .data_room
            .saturating_add(dpdk_sys::RTE_PKTMBUF_HEADROOM as u16);
        let (pool, log) = eal.during(|| {
            // SAFETY: the EAL is up, and the name is a string that DPDK copies.
            unsafe {
                dpdk_sys::rte_pktmbuf_pool_create(
                    c_name.as_ptr(),
                    config.mbufs,
                    config.cache,
                    0,
                    buffer,
                    eal.memory_near(dpdk_sys::SOCKET_ID_ANY),
                )
            }
        });
        let raw = NonNull::new(pool).ok_or_else(|| failure(name, config, log))?;
        Ok(Self(Arc::new(Pool {
            raw,
            data_room: config.data_room,
            eal: eal.clone(),
        })))
    }

    /// Bytes for data in one buffer.
    pub fn data_room(&self) -> u16 {
        self.0.data_room
    }

    /// How many buffers are free, lanes' caches included. Walks all caches: not for lanes.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool is valid while `self` is.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// How many buffers are out. As slow as [`available`](Self::available), and wrong while other threads
    /// take some.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool is valid while `self` is.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.as_ptr()) }
    }

    /// An empty packet, or `None` when all buffers are out.
    #[inline]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool is valid while `self` is; a fresh mbuf is a chain of one.
        unsafe {
            NonNull::new(dpdk_sys::rte_pktmbuf_alloc(self.as_ptr())).map(|m| Mbuf::from_raw(m))
        }
    }

    /// Adds `count` empty packets to `batch`: all of them or, when the batch lacks the room or the
    /// pool the buffers, none and `false`.
    #[inline]
    pub fn alloc_into<const N: usize>(&self, batch: &mut MbufBatch<N>, count: usize) -> bool {
        let (free, room) = batch.free();
        if count > usize::from(room) {
            return false;
        }
        // SAFETY: the pool is valid while `self` is; `free` has room for `count` pointers, which
        // DPDK fills with fresh mbufs when it returns 0.
        unsafe {
            let rc = dpdk_sys::rte_pktmbuf_alloc_bulk(self.as_ptr(), free, count as u32);
            if rc == 0 {
                batch.filled(count);
            }
            rc == 0
        }
    }

    pub(super) fn as_ptr(&self) -> *mut rte_mempool {
        self.0.raw.as_ptr()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: the pool is valid, and no one can allocate from it any more.
        unsafe {
            if dpdk_sys::rte_mempool_in_use_count(self.raw.as_ptr()) == 0 {
                dpdk_sys::rte_mempool_free(self.raw.as_ptr());
                return;
            }
        }
        // Someone still holds packets: their memory must outlive them.
        std::mem::forget(self.eal.clone());
    }
}

fn failure(name: &str, config: &MempoolConfig, log: Messages) -> DpdkError {
    // SAFETY: reads this thread's rte_errno.
    let code = unsafe { dpdk_sys::dpdk_sys_errno() };
    if code == libc::ENOMEM {
        return DpdkError::NoMemory {
            pool: name.to_owned(),
            mbufs: config.mbufs,
            size: config.data_room,
        };
    }
    DpdkError::Call {
        call: "rte_pktmbuf_pool_create",
        on: name.to_owned(),
        code: Code(code),
        log,
    }
}
