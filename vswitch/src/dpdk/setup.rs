//! The configuration of a port: checked against the device, then made.

use std::mem::MaybeUninit;
use std::ptr;

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use super::completion::Completion;
use super::port::Port;
use super::{DpdkError, Mempool, UplinkConfig};

/// What there is around a frame's payload: Ethernet header, two VLAN tags, checksum.
const AROUND_PAYLOAD: u32 = dpdk_sys::RTE_ETHER_HDR_LEN + 2 * 4 + dpdk_sys::RTE_ETHER_CRC_LEN;

/// What a configured port came to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    pub(super) completion: Completion,
}

/// Configures the port and its queues.
pub(super) fn configure(
    port: &Port,
    pool: &Mempool,
    config: &UplinkConfig,
) -> Result<Ring, DpdkError> {
    let info = port.info()?;
    check(port, pool, &info, config)?;
    configure_port(port, &info, config)?;
    let (rx_descriptors, tx_descriptors) = adjust_descriptors(port, config)?;
    let ring = Ring {
        rx_queues: config.rx_queues,
        tx_queues: config.tx_queues,
        rx_descriptors,
        tx_descriptors,
        completion: Completion::of(&port.driver()?, info.default_txconf.tx_rs_thresh),
    };
    set_up_queues(port, pool, ring)?;
    Ok(ring)
}

fn check(
    port: &Port,
    pool: &Mempool,
    info: &rte_eth_dev_info,
    config: &UplinkConfig,
) -> Result<(), DpdkError> {
    check_queues(port, "receive", config.rx_queues, info.max_rx_queues)?;
    check_queues(port, "transmit", config.tx_queues, info.max_tx_queues)?;
    let frame = u32::from(config.mtu) + AROUND_PAYLOAD;
    let room = u32::from(pool.data_room());
    if frame > room {
        return Err(DpdkError::FrameTooLong {
            mtu: config.mtu,
            frame,
            room,
        });
    }
    Ok(())
}

fn check_queues(
    port: &Port,
    direction: &'static str,
    wanted: u16,
    max: u16,
) -> Result<(), DpdkError> {
    if (1..=max).contains(&wanted) {
        return Ok(());
    }
    Err(DpdkError::Queues {
        device: port.name.clone(),
        direction,
        wanted,
        max,
    })
}

fn configure_port(
    port: &Port,
    info: &rte_eth_dev_info,
    config: &UplinkConfig,
) -> Result<(), DpdkError> {
    // SAFETY: all zeroes is DPDK's "nothing special" for this plain struct.
    let mut conf: rte_eth_conf = unsafe { MaybeUninit::zeroed().assume_init() };
    conf.rxmode.mtu = config.mtu.into();
    let flows = dpdk_sys::RTE_ETH_RSS_IP | dpdk_sys::RTE_ETH_RSS_TCP | dpdk_sys::RTE_ETH_RSS_UDP;
    let flows = flows & info.flow_type_rss_offloads;
    if config.rx_queues > 1 && flows != 0 {
        conf.rxmode.mq_mode = dpdk_sys::RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = flows;
    }
    port.call("rte_eth_dev_configure", || {
        // SAFETY: the port is ours and stopped, and DPDK copies conf.
        unsafe {
            dpdk_sys::rte_eth_dev_configure(
                port.id,
                config.rx_queues,
                config.tx_queues,
                &raw const conf,
            )
        }
    })
}

fn adjust_descriptors(port: &Port, config: &UplinkConfig) -> Result<(u16, u16), DpdkError> {
    let (mut rx, mut tx) = (config.rx_descriptors, config.tx_descriptors);
    port.call("rte_eth_dev_adjust_nb_rx_tx_desc", || {
        // SAFETY: the port is ours, and both numbers may be written to.
        unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &raw mut rx, &raw mut tx) }
    })?;
    Ok((rx, tx))
}

fn set_up_queues(port: &Port, pool: &Mempool, ring: Ring) -> Result<(), DpdkError> {
    // SAFETY: the port is ours.
    let near = unsafe { dpdk_sys::rte_eth_dev_socket_id(port.id) };
    let socket = port.eal.memory_near(near).cast_unsigned();
    for index in 0..ring.rx_queues {
        port.call("rte_eth_rx_queue_setup", || {
            // SAFETY: the port is ours and stopped, and it keeps the pool; null asks for defaults.
            unsafe {
                dpdk_sys::rte_eth_rx_queue_setup(
                    port.id,
                    index,
                    ring.rx_descriptors,
                    socket,
                    ptr::null(),
                    pool.as_ptr(),
                )
            }
        })?;
    }
    for index in 0..ring.tx_queues {
        port.call("rte_eth_tx_queue_setup", || {
            // SAFETY: the port is ours and stopped; null asks for the driver's defaults.
            unsafe {
                dpdk_sys::rte_eth_tx_queue_setup(
                    port.id,
                    index,
                    ring.tx_descriptors,
                    socket,
                    ptr::null(),
                )
            }
        })?;
    }
    Ok(())
}
