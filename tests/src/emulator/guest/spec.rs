//! What a guest is made of.

use std::path::PathBuf;

use crate::emulator::front_end::{SessionOptions, feature, protocol_feature};
use crate::emulator::memory::Pages;
use crate::emulator::tx_queue::TxLayout;

/// How the guest and the switch meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The switch listens on this path, the guest connects.
    Client(PathBuf),
    /// The guest listens on this path, the switch connects.
    Server(PathBuf),
}

/// A guest with one receive and one transmit ring.
#[derive(Clone, Debug)]
pub struct GuestSpec {
    /// How it meets the switch.
    pub socket: Socket,
    /// Entries of the receive ring: a power of two up to 32,768.
    pub rx_ring: u16,
    /// Entries of the transmit ring; at most what the receiver's ring holds, or a backlog overflows it.
    pub tx_ring: u16,
    /// Bytes of a receive buffer with its 12 bytes of header. Below 1,526 only with MRG_RXBUF.
    pub buffer_size: u32,
    /// How sent frames are described.
    pub tx_layout: TxLayout,
    /// What to negotiate.
    pub options: SessionOptions,
    /// Number of memory regions, up to 8 without CONFIGURE_MEM_SLOTS.
    pub memory_regions: usize,
    /// Bytes of memory at least; as much as rings and buffers need if that is more.
    pub memory: usize,
    /// Pages of the memory.
    pub pages: Pages,
    /// Whether to touch all memory before it is used.
    pub populate: bool,
    /// Whether the driver asks for interrupts. It polls all the same.
    pub interrupts: bool,
    /// Whether to connect again after a hang-up.
    pub reconnect: bool,
    /// Whether the device is reset before it is removed. Its rings then stand at 0.
    pub reset: bool,
}

impl GuestSpec {
    /// A guest that carries flows. At 50,000 frames a second its rings of 8,192 hold 163 ms.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            rx_ring: 8192,
            tx_ring: 8192,
            buffer_size: 2048,
            tx_layout: TxLayout::Single,
            options: SessionOptions {
                features: feature::EVENT_IDX | feature::INDIRECT_DESC | feature::MRG_RXBUF,
                protocol_features: protocol_feature::REPLY_ACK,
            },
            memory_regions: 2,
            memory: 0,
            pages: Pages::Small,
            populate: true,
            interrupts: false,
            reconnect: true,
            reset: false,
        }
    }

    /// A guest that only is there: small rings, no memory touched before it is needed.
    pub fn idle(socket: Socket) -> Self {
        Self {
            rx_ring: 256,
            tx_ring: 256,
            memory_regions: 1,
            populate: false,
            ..Self::new(socket)
        }
    }
}
