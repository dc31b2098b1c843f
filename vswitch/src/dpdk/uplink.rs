//! The switch's side of the NIC: an Ethernet device of DPDK.

use std::mem::MaybeUninit;
use std::sync::Arc;

use dpdk_sys::{dpdk_sys_link, rte_eth_stats, rte_ether_addr};

use super::port::Port;
use super::setup::{self, Ring};
use super::{DpdkError, Eal, Mempool, RxQueue, TxQueue};

/// An Ethernet device: open, configured, and started or not. Dropped, with its queues, it is closed.
#[derive(Debug)]
pub struct Uplink {
    port: Arc<Port>,
    ring: Ring,
}

/// How an [`Uplink`] is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UplinkConfig {
    /// Number of receive queues; with several, the device spreads IP flows over them.
    pub rx_queues: u16,
    /// Number of transmit queues.
    pub tx_queues: u16,
    /// Descriptors of a receive queue; moved into the driver's limits.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit queue; moved into the driver's limits.
    pub tx_descriptors: u16,
    /// Largest payload of a frame in bytes, without Ethernet header.
    pub mtu: u16,
}

impl Default for UplinkConfig {
    /// One queue each way of 1,024 descriptors, MTU 1,500.
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
        }
    }
}

/// The queues of a started [`Uplink`], one element a queue.
#[derive(Debug)]
pub struct Queues {
    /// Receive queues.
    pub rx: Vec<RxQueue>,
    /// Transmit queues.
    pub tx: Vec<TxQueue>,
}

impl Queues {
    /// The first queue of each kind.
    pub fn into_first_pair(self) -> Option<(RxQueue, TxQueue)> {
        self.rx.into_iter().next().zip(self.tx.into_iter().next())
    }
}

/// A device that is open and not configured.
#[derive(Debug)]
pub struct Probed {
    port: Port,
    pool: Mempool,
}

impl Probed {
    /// The second half of [`Uplink::open`].
    ///
    /// # Errors
    /// As there.
    pub fn configure(self, config: &UplinkConfig) -> Result<Uplink, DpdkError> {
        let ring = setup::configure(&self.port, &self.pool, config)?;
        Ok(Uplink {
            port: Arc::new(self.port),
            ring,
        })
    }
}

/// A device's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whether there is carrier.
    pub up: bool,
    /// Mbit/s; `u32::MAX` if the driver does not know.
    pub speed_mbps: u32,
    /// Whether both ends may send at once.
    pub full_duplex: bool,
}

/// Counters of a device since it was opened (`rte_eth_stats`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UplinkStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets lost because the receive ring was full.
    pub rx_missed: u64,
    /// Broken packets received.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Times that no buffer was free for a packet.
    pub rx_no_mbuf: u64,
}

impl Uplink {
    /// Opens and configures a device.
    ///
    /// `devargs` is a PCI address from the EAL's allow list (`0000:01:10.0`), or the name and
    /// arguments of a virtual device, which is then made (`net_af_packet0,iface=wire0`). Received
    /// packets are put into buffers of `pool`.
    ///
    /// # Errors
    /// What is missing on the host, out of the device's limits, or refused by its driver.
    pub fn open(
        eal: &Eal,
        devargs: &str,
        pool: &Mempool,
        config: &UplinkConfig,
    ) -> Result<Self, DpdkError> {
        Self::probe(eal, devargs, pool)?.configure(config)
    }

    /// The first half of [`Self::open`]: finds the device and its driver.
    ///
    /// # Errors
    /// As there.
    pub fn probe(eal: &Eal, devargs: &str, pool: &Mempool) -> Result<Probed, DpdkError> {
        Ok(Probed {
            port: Port::open(eal, devargs, pool)?,
            pool: pool.clone(),
        })
    }

    /// Starts the device and returns its queues, each for one lane.
    ///
    /// # Errors
    /// [`DpdkError::QueuesInUse`] while queues from an earlier start exist; else what DPDK says.
    pub fn start(&mut self) -> Result<Queues, DpdkError> {
        self.alone()?.start()?;
        Ok(Queues {
            rx: (0..self.ring.rx_queues)
                .map(|index| self.rx_queue(index))
                .collect(),
            tx: (0..self.ring.tx_queues)
                .map(|index| self.tx_queue(index))
                .collect(),
        })
    }

    /// Stops the device; packets that wait in its rings are lost. Some drivers, `net_af_packet`
    /// among them, do not work after another start: open the device again.
    ///
    /// # Errors
    /// [`DpdkError::QueuesInUse`] while a lane holds one of its queues; else what DPDK says.
    pub fn stop(&mut self) -> Result<(), DpdkError> {
        self.alone()?.stop()
    }

    /// Stops and closes the device. As dropping it, but says what went wrong.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub fn close(mut self) -> Result<(), DpdkError> {
        self.stop()
    }

    /// The device's name in DPDK: the part of the device arguments before the first comma.
    pub fn name(&self) -> &str {
        &self.port.name
    }

    /// Its driver, such as `net_e1000_igb_vf`.
    ///
    /// # Errors
    /// What DPDK says.
    pub fn driver(&self) -> Result<String, DpdkError> {
        self.port.driver()
    }

    /// Its Ethernet address.
    ///
    /// # Errors
    /// What DPDK says.
    pub fn mac(&self) -> Result<[u8; 6], DpdkError> {
        let mut mac = rte_ether_addr { addr_bytes: [0; 6] };
        self.port.call("rte_eth_macaddr_get", || {
            // SAFETY: the port is ours, and mac has room for the answer.
            unsafe { dpdk_sys::rte_eth_macaddr_get(self.port.id, &raw mut mac) }
        })?;
        Ok(mac.addr_bytes)
    }

    /// Its link as last reported, without waiting for it.
    ///
    /// # Errors
    /// What DPDK says.
    pub fn link(&self) -> Result<Link, DpdkError> {
        let mut link = dpdk_sys_link {
            speed_mbps: 0,
            up: 0,
            full_duplex: 0,
        };
        self.port.call("rte_eth_link_get_nowait", || {
            // SAFETY: the port is ours, and link has room for the answer.
            unsafe { dpdk_sys::dpdk_sys_link_get_nowait(self.port.id, &raw mut link) }
        })?;
        Ok(Link {
            up: link.up != 0,
            speed_mbps: link.speed_mbps,
            full_duplex: link.full_duplex != 0,
        })
    }

    /// Its counters.
    ///
    /// # Errors
    /// What DPDK says.
    pub fn stats(&self) -> Result<UplinkStats, DpdkError> {
        let mut stats = MaybeUninit::<rte_eth_stats>::zeroed();
        self.port.call("rte_eth_stats_get", || {
            // SAFETY: the port is ours, and stats has room for the answer.
            unsafe { dpdk_sys::rte_eth_stats_get(self.port.id, stats.as_mut_ptr()) }
        })?;
        // SAFETY: all zeroes is a value of this plain struct, and DPDK filled it in.
        let stats = unsafe { stats.assume_init() };
        Ok(UplinkStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_bytes: stats.ibytes,
            tx_bytes: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_mbuf: stats.rx_nombuf,
        })
    }

    /// Receives frames for all addresses from now on.
    ///
    /// # Errors
    /// What DPDK says; not every VF may.
    pub fn promiscuous_on(&mut self) -> Result<(), DpdkError> {
        self.port.call("rte_eth_promiscuous_enable", || {
            // SAFETY: the port is ours.
            unsafe { dpdk_sys::rte_eth_promiscuous_enable(self.port.id) }
        })
    }

    /// The port, if no queue of it is out.
    fn alone(&mut self) -> Result<&mut Port, DpdkError> {
        let name = self.port.name.clone();
        Arc::get_mut(&mut self.port).ok_or(DpdkError::QueuesInUse(name))
    }

    fn rx_queue(&self, index: u16) -> RxQueue {
        RxQueue {
            port: Arc::clone(&self.port),
            index,
        }
    }

    fn tx_queue(&self, index: u16) -> TxQueue {
        TxQueue {
            port: Arc::clone(&self.port),
            index,
            descriptors: self.ring.tx_descriptors,
            completion: self.ring.completion,
        }
    }
}
