//! The queues of an uplink, each polled by one lane.

use std::sync::Arc;
use std::time::Instant;

use super::port::Port;
use super::{FlushError, MbufBatch, Unsupported};

/// A receive queue of a started uplink.
#[derive(Debug)]
pub struct RxQueue {
    pub(super) port: Arc<Port>,
    pub(super) index: u16,
}

impl RxQueue {
    /// Moves received packets behind those in `batch`, as many as there are and it has room for.
    /// Returns their number.
    #[inline]
    pub fn burst<const N: usize>(&mut self, batch: &mut MbufBatch<N>) -> usize {
        let (free, room) = batch.free();
        // SAFETY: the port is started while queues exist; `&mut self` is the queue's only user;
        // `free` has room for `room` pointers, the first of which DPDK fills with packets of ours.
        unsafe {
            let count = dpdk_sys::rte_eth_rx_burst(self.port.id, self.index, free, room);
            batch.filled(count.into());
            count.into()
        }
    }

    /// Whether a packet waits in the queue, without taking it. An empty burst proves more: a driver
    /// may hold packets that it has taken from the queue beforehand.
    ///
    /// # Errors
    /// [`Unsupported`] with `net_af_packet`, `net_null` and `net_ring`, among others.
    pub fn pending(&self) -> Result<bool, Unsupported> {
        let (port, queue) = (self.port.id, self.index);
        // SAFETY: the port is started while queues exist; 0 is the next descriptor to be received.
        let next = unsafe { dpdk_sys::rte_eth_rx_descriptor_status(port, queue, 0) };
        if let Ok(next) = u32::try_from(next) {
            return Ok(next == dpdk_sys::RTE_ETH_RX_DESC_DONE);
        }
        // SAFETY: the port is started while queues exist.
        let count = unsafe { dpdk_sys::rte_eth_rx_queue_count(port, queue) };
        if count < 0 {
            Err(Unsupported("look at waiting packets"))
        } else {
            Ok(count > 0)
        }
    }
}

/// A transmit queue of a started uplink.
#[derive(Debug)]
pub struct TxQueue {
    pub(super) port: Arc<Port>,
    pub(super) index: u16,
    pub(super) descriptors: u16,
    /// The driver reports each packet's completion, and not only each so many.
    pub(super) reports_each: bool,
}

impl TxQueue {
    /// Gives the first packets of `batch` to the device, as many as it takes. Returns their number;
    /// the others stay in the batch, in order.
    #[inline]
    pub fn burst<const N: usize>(&mut self, batch: &mut MbufBatch<N>) -> usize {
        let (first, count) = batch.waiting();
        // SAFETY: the port is started while queues exist; `&mut self` is the queue's only user;
        // `first` points to `count` packets of ours, and DPDK now owns as many as it returns.
        unsafe {
            let sent = dpdk_sys::rte_eth_tx_burst(self.port.id, self.index, first, count);
            batch.taken(sent.into());
            sent.into()
        }
    }

    /// Waits, spinning, until everything given to the device has left it or `deadline` has passed.
    ///
    /// The last descriptor before the queue's tail is the last packet's; a queue is in order, so
    /// when that one is done all are (`rte_eth_tx_descriptor_status`).
    ///
    /// # Errors
    /// [`FlushError::Unsupported`] when the driver does not report each descriptor: `net_virtio`, and
    /// those that report once in `tx_rs_thresh` descriptors (`net_ixgbe`, `net_iavf`). So does
    /// `net_af_packet`, which has nothing to wait for: its burst ends with a `sendto` that hands all
    /// packets to the kernel, unless the socket's send buffer is full (DPDK `rte_eth_af_packet.c`).
    pub fn flush_complete(&mut self, deadline: Instant) -> Result<(), FlushError> {
        loop {
            if self.all_left()? {
                self.release_buffers();
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(FlushError::Deadline);
            }
            std::hint::spin_loop();
        }
    }

    fn all_left(&self) -> Result<bool, Unsupported> {
        const WHAT: Unsupported = Unsupported("report of each packet that has left");
        if !self.reports_each {
            return Err(WHAT);
        }
        let last = self.descriptors - 1;
        // SAFETY: the port is started while queues exist, and `last` is inside of its ring.
        let status =
            unsafe { dpdk_sys::rte_eth_tx_descriptor_status(self.port.id, self.index, last) };
        match u32::try_from(status) {
            Ok(status) => Ok(status != dpdk_sys::RTE_ETH_TX_DESC_FULL),
            Err(_) => Err(WHAT),
        }
    }

    /// Gives the buffers of sent packets back to the mempool now, where the driver can.
    fn release_buffers(&mut self) {
        // SAFETY: the port is started while queues exist; `&mut self` is the queue's only user.
        unsafe { dpdk_sys::rte_eth_tx_done_cleanup(self.port.id, self.index, 0) };
    }
}
