//! Whether what was given to a device has left it, as far as its driver tells.

use super::queue::TxQueue;
use super::{Mempool, Unsupported};

/// How a driver tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// By the state of each descriptor (`rte_eth_tx_descriptor_status`).
    Descriptors,
    /// Only by giving buffers back, which it does when it is short of descriptors: `net_virtio`.
    Buffers,
    /// Once in so many descriptors, so that nobody knows of the last ones.
    Untold,
}

impl Completion {
    /// Of a driver whose default for descriptors between two reports is `tx_rs_thresh`.
    pub(super) fn of(driver: &str, tx_rs_thresh: u16) -> Self {
        match driver {
            "net_virtio" | "net_virtio_user" => Self::Buffers,
            _ if tx_rs_thresh <= 1 => Self::Descriptors,
            _ => Self::Untold,
        }
    }
}

const TOLD: Unsupported = Unsupported("report of each packet that has left");

impl TxQueue {
    /// Whether everything given to the device has left it. All of it was made in `pool`, which has no
    /// other use; while another thread takes buffers from it the answer may be wrong.
    ///
    /// # Errors
    /// [`Unsupported`] by drivers that report once in `tx_rs_thresh` descriptors (`net_ixgbe`,
    /// `net_iavf`), and by `net_af_packet`, which has nothing to wait for: its burst ends with a `sendto`
    /// that hands all packets to the kernel, unless the socket's send buffer is full (DPDK
    /// `rte_eth_af_packet.c`).
    pub fn has_sent_all(&mut self, pool: &Mempool) -> Result<bool, Unsupported> {
        match self.completion {
            Completion::Descriptors => self.last_is_done(),
            Completion::Buffers => Ok(self.gives_all_back(pool)),
            Completion::Untold => Err(TOLD),
        }
    }

    /// The descriptor before the queue's tail is the last packet's; a queue is in order, so when that
    /// one is done all are.
    fn last_is_done(&mut self) -> Result<bool, Unsupported> {
        let last = self.descriptors - 1;
        // SAFETY: the port is started while queues exist, and `last` is inside of its ring.
        let status =
            unsafe { dpdk_sys::rte_eth_tx_descriptor_status(self.port.id, self.index, last) };
        let status = u32::try_from(status).map_err(|_| TOLD)?;
        let done = status != dpdk_sys::RTE_ETH_TX_DESC_FULL;
        if done {
            // SAFETY: the port is started while queues exist; `&mut self` is the queue's only user.
            unsafe { dpdk_sys::rte_eth_tx_done_cleanup(self.port.id, self.index, 0) };
        }
        Ok(done)
    }

    /// `net_virtio` looks at the used ring when a packet needs more descriptors than are free, and gives
    /// back all buffers that it finds there. So it is offered one that needs more than it has: it is
    /// refused, and nothing is sent (`virtio_xmit_pkts` and its like for other rings, DPDK
    /// `virtio_rxtx.c`).
    fn gives_all_back(&mut self, pool: &Mempool) -> bool {
        let Some(mut packet) = pool.alloc() else {
            return false;
        };
        packet.claim_segments(self.descriptors);
        !self.offer(packet) && pool.in_use() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_reports_now_and_then_cannot_be_asked() {
        assert_eq!(
            Completion::of("net_e1000_igb_vf", 0),
            Completion::Descriptors
        );
        assert_eq!(Completion::of("net_ixgbe_vf", 32), Completion::Untold);
        assert_eq!(Completion::of("net_virtio", 0), Completion::Buffers);
    }
}
