//! What QEMU's network device sends, in its order, for one queue pair (QEMU `net/vhost-user.c`,
//! `hw/net/vhost_net.c`, `hw/virtio/vhost.c`, `hw/virtio/vhost-user.c`).

use super::message::Message;
use super::{event, memfd};
use vhost_transfer::device::MemoryRegion;

/// Two versions that differ in when they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qemu {
    V7_2,
    V10_0,
}

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

/// When the chardev opens.
pub(crate) fn connect() -> Vec<Message> {
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

/// The guest's memory, once a connection.
pub(crate) fn share() -> Vec<Message> {
    let memory = memfd(0x20_0000);
    let add = |region| {
        let fd = memory.try_clone().expect("dup");
        Message::region(37, region, vec![fd]).acknowledged()
    };
    regions().iter().map(add).collect()
}

/// When the driver is ready; memory is shared after the features.
pub(crate) fn start(qemu: Qemu, base: u32, memory: Vec<Message>) -> Vec<Message> {
    let mut messages = vec![
        Message::number(2, FEATURES),
        Message::empty(40),
        Message::number(39, 11),
    ];
    messages.extend(memory);
    for ring in 0..2 {
        messages.extend(start_ring(ring, base));
    }
    messages.extend([Message::empty(40), Message::number(39, 15)]);
    messages.extend(enable(qemu, 1));
    messages.push(Message::number(20, 1500).acknowledged());
    messages
}

/// The messages that start one ring.
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

pub(crate) fn enable(qemu: Qemu, on: u32) -> Vec<Message> {
    let enable = |ring| match qemu {
        Qemu::V7_2 => Message::ring(18, ring, on),
        Qemu::V10_0 => Message::ring(18, ring, on).acknowledged(),
    };
    (0..2).map(enable).collect()
}

/// When the driver goes. The older version resets the status before it has all positions.
pub(crate) fn stop(qemu: Qemu) -> Vec<Message> {
    let mut messages = enable(qemu, 0);
    messages.push(Message::ring(11, 0, 0));
    match qemu {
        Qemu::V7_2 => messages.extend([Message::number(39, 0), Message::ring(11, 1, 0)]),
        Qemu::V10_0 => messages.extend([Message::ring(11, 1, 0), Message::number(39, 0)]),
    }
    messages
}

/// A whole life: boot, the driver bound again, self-announcement, reset of the guest, memory taken
/// back.
pub(crate) fn life(qemu: Qemu) -> Vec<Message> {
    let rarp = u64::from_ne_bytes([0x52, 0x54, 0, 1, 2, 3, 0, 0]);
    let mut messages = connect();
    messages.extend(start(qemu, 0, share()));
    messages.extend(stop(qemu));
    messages.extend(start(qemu, 5, Vec::new()));
    messages.push(Message::number(19, rarp));
    messages.push(Message::empty(34).acknowledged());
    messages.extend(stop(qemu));
    for region in regions() {
        messages.push(Message::region(38, &region, Vec::new()).acknowledged());
    }
    messages
}
