//! What network front ends send, in their order, for one queue pair: as seen on the sockets of
//! QEMU 7.2.22, QEMU 10.0.2 and the virtio-user driver of DPDK 22.11.

use super::message::Message;
use super::{event, memfd};
use vhost_transfer::device::MemoryRegion;

/// A front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Waits for few things; resets the status before it has the rings' positions.
    Qemu7,
    /// Resets the device before each start; waits until rings are enabled.
    Qemu10,
    /// Shares memory as a table; enables rings last, and disables them before it stops them.
    VirtioUser,
}

pub(crate) const PEERS: [Peer; 3] = [Peer::Qemu7, Peer::Qemu10, Peer::VirtioUser];
pub(crate) const FEATURES: u64 = 1 << 15 | 1 << 21 | 1 << 28 | 1 << 29 | 1 << 30 | 1 << 32;
pub(crate) const PROTOCOL_FEATURES: u64 = 1 << 16 | 1 << 15 | 1 << 13 | 0x1f;
pub(crate) const RING_SIZE: u32 = 256;
const USER: u64 = 0x7f00_0000_0000;

/// Two regions of one file, as a PC with a hole below 4 GiB has them.
pub(crate) fn regions() -> [MemoryRegion; 2] {
    let region = |guest_addr, mmap_offset| MemoryRegion {
        guest_addr,
        size: 0x10_0000,
        user_addr: USER + mmap_offset,
        mmap_offset,
    };
    [region(0, 0), region(0x1_0000_0000, 0x10_0000)]
}

/// The messages that make a ring ready and start it.
pub(crate) fn start_ring(ring: u32, base: u32) -> Vec<Message> {
    let at = USER + 0x1_0000 * u64::from(ring);
    vec![
        Message::ring(8, ring, RING_SIZE),
        Message::ring(10, ring, base),
        Message::addresses(ring, at, at + 0x3000, at + 0x2000),
        Message::number(12, ring.into()).with_fd(event()),
        Message::number(13, ring.into()).with_fd(event()),
    ]
}

/// Both regions, one by one.
pub(crate) fn share_slots() -> Vec<Message> {
    let memory = memfd(0x20_0000);
    let add = |region| {
        let fd = memory.try_clone().expect("dup");
        Message::region(37, region, vec![fd]).acknowledged()
    };
    regions().iter().map(add).collect()
}

impl Peer {
    /// When the connection is there.
    pub(crate) fn connect(self) -> Vec<Message> {
        match self {
            Self::Qemu7 | Self::Qemu10 => qemu_connect(),
            Self::VirtioUser => virtio_user_connect(),
        }
    }

    /// The guest's memory, once a connection.
    pub(crate) fn share(self) -> Vec<Message> {
        match self {
            Self::Qemu7 | Self::Qemu10 => share_slots(),
            Self::VirtioUser => {
                let fds = (0..2).map(|_| memfd(0x20_0000)).collect();
                vec![Message::memory_table(&regions(), fds).acknowledged()]
            }
        }
    }

    /// When the driver is ready; memory is shared after the features.
    pub(crate) fn start(self, base: u32, memory: Vec<Message>) -> Vec<Message> {
        let rings = (0..2).flat_map(|ring| start_ring(ring, base));
        let features = Message::number(2, FEATURES);
        let mut messages = Vec::new();
        match self {
            Self::Qemu7 | Self::Qemu10 => {
                messages.extend(self.enable(1));
                messages.extend([features, Message::empty(40), Message::number(39, 8)]);
                messages.extend(memory.into_iter().chain(rings));
                messages.extend([Message::empty(40), Message::number(39, 15)]);
                messages.push(Message::number(20, 1500).acknowledged());
            }
            Self::VirtioUser => {
                messages.extend([features, Message::number(39, 11).acknowledged()]);
                messages.extend(memory.into_iter().chain(rings.filter(|m| m.code != 13)));
                messages.extend(self.enable(1));
                messages.push(Message::number(39, 15).acknowledged());
            }
        }
        messages
    }

    /// When the driver goes.
    pub(crate) fn stop(self) -> Vec<Message> {
        let positions = (0..2).map(|ring| Message::ring(11, ring, 0));
        match self {
            Self::Qemu7 => std::iter::once(Message::number(39, 0))
                .chain(positions)
                .collect(),
            Self::Qemu10 => positions
                .chain([Message::number(39, 0), Message::empty(34)])
                .chain(self.enable(1))
                .collect(),
            Self::VirtioUser => self.enable(0).into_iter().chain(positions).collect(),
        }
    }

    /// For both rings.
    pub(crate) fn enable(self, on: u32) -> Vec<Message> {
        let enable = |ring| match self {
            Self::Qemu7 | Self::VirtioUser => Message::ring(18, ring, on),
            Self::Qemu10 => Message::ring(18, ring, on).acknowledged(),
        };
        (0..2).map(enable).collect()
    }

    /// Up to the first packet.
    pub(crate) fn boot(self) -> Vec<Message> {
        self.connect()
            .into_iter()
            .chain(self.start(0, self.share()))
            .collect()
    }

    /// A whole life: boot, the driver bound again, and what else the peer does once in a while:
    /// memory plugged in under running rings, a self-announcement, a reset of the guest.
    pub(crate) fn life(self) -> Vec<Message> {
        let mut messages = self.boot();
        messages.extend(self.stop());
        messages.extend(self.start(5, Vec::new()));
        match self {
            Self::Qemu7 | Self::Qemu10 => messages.extend(qemu_later()),
            Self::VirtioUser => messages.extend(self.share()),
        }
        messages.extend(self.stop());
        messages
    }
}

fn qemu_connect() -> Vec<Message> {
    let mut messages = vec![
        Message::empty(1),
        Message::empty(15),
        Message::number(16, PROTOCOL_FEATURES),
        Message::empty(17),
        Message::empty(36),
        Message::empty(3),
        Message::empty(1),
    ];
    for ring in 0..2 {
        messages.push(Message::number(13, ring).with_fd(event()));
        messages.push(Message::number(14, ring).with_fd(event()));
    }
    messages
}

fn virtio_user_connect() -> Vec<Message> {
    let mut messages = vec![
        Message::empty(3),
        Message::empty(1),
        Message::empty(15),
        Message::number(16, 1 << 16 | 1 << 3 | 1),
        Message::empty(17),
    ];
    messages.extend((0..2).map(|ring| Message::number(13, ring).with_fd(event())));
    messages
}

fn qemu_later() -> Vec<Message> {
    let rarp = u64::from_ne_bytes([0x52, 0x54, 0, 1, 2, 3, 0, 0]);
    let plugged = MemoryRegion {
        guest_addr: 0x2_0000_0000,
        size: 0x1000,
        user_addr: 0x6f00_0000_0000,
        mmap_offset: 0,
    };
    vec![
        Message::region(37, &plugged, vec![memfd(0x1000)]).acknowledged(),
        Message::number(19, rarp),
        Message::region(38, &plugged, Vec::new()).acknowledged(),
        Message::empty(34).acknowledged(),
    ]
}
