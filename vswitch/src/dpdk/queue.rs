//! The queues of an uplink, each polled by one lane.

use std::sync::Arc;

use super::completion::Completion;
use super::port::Port;
use super::{Mbuf, MbufBatch, Unsupported};

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
    pub(super) completion: Completion,
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

    /// Gives one packet to the device, or drops it; whether the device took it.
    pub(super) fn offer(&mut self, packet: Mbuf) -> bool {
        let mut batch = MbufBatch::<1>::new();
        batch.push(packet).is_ok() && self.burst(&mut batch) == 1
    }
}
