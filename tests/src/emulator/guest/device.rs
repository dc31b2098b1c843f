//! The part of a guest that a vhost-user connection is about.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use super::{GuestSpec, Socket};
use crate::emulator::endpoint::Link;
use crate::emulator::error::{Error, Result};
use crate::emulator::front_end::{RingSetup, SessionOptions};
use crate::emulator::memory::{Allocator, GuestMemory};
use crate::emulator::rx_queue::RxQueue;
use crate::emulator::split_ring::{RingLayout, SplitRing};
use crate::emulator::tx_queue::{self, TxQueue};
use crate::emulator::virtio_net::{HEADER_SIZE, LONGEST_FRAME};

/// Everything that a handshake tells the back end, and the state of the link.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) socket: Socket,
    pub(crate) listener: Option<UnixListener>,
    pub(crate) options: SessionOptions,
    pub(crate) memory: Arc<GuestMemory>,
    /// Receive and transmit, in the order of their ring indices.
    pub(crate) rings: [RingSetup; 2],
    pub(crate) reconnect: bool,
    pub(crate) reset: bool,
    pub(crate) link: Arc<Link>,
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Socket::Server(path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes a device and the driver's queues on it.
pub(super) fn build(spec: &GuestSpec) -> Result<(Device, RxQueue, TxQueue)> {
    check(spec)?;
    let listener = listen(&spec.socket)?;
    let memory = Arc::new(allocate_memory(spec)?);
    let mut allocator = Allocator::new(&memory);
    let sizes = [spec.rx_ring, spec.tx_ring];
    let layouts = sizes.map(|size| RingLayout::allocate(size, &mut allocator));
    let [rx, tx] = layouts.map(|layout| SplitRing::new(memory.clone(), layout));
    let rx = RxQueue::new(rx, &mut allocator, spec.buffer_size);
    let tx = TxQueue::new(tx, &mut allocator, spec.tx_layout);
    let device = Device {
        socket: spec.socket.clone(),
        listener,
        options: spec.options,
        memory,
        rings: [RingSetup::new(layouts[0])?, RingSetup::new(layouts[1])?],
        reconnect: spec.reconnect,
        reset: spec.reset,
        link: Link::down(),
    };
    Ok((device, rx, tx))
}

fn check(spec: &GuestSpec) -> Result<()> {
    let fail = |what: String| Err(Error::Plan(what));
    if let Some(size) = [spec.rx_ring, spec.tx_ring]
        .iter()
        .find(|size| !is_ring_size(**size))
    {
        return fail(format!(
            "a ring of {size} entries: use a power of two from 2 to 32768"
        ));
    }
    let mergeable = spec.options.features & crate::emulator::front_end::feature::MRG_RXBUF != 0;
    let smallest = if mergeable {
        64
    } else {
        HEADER_SIZE + LONGEST_FRAME
    };
    if (spec.buffer_size as usize) < smallest {
        return fail(format!(
            "buffers of {} bytes: use {smallest} or more",
            spec.buffer_size
        ));
    }
    match spec.memory_regions {
        0 => fail("a guest without memory: use a region or more".into()),
        1.. => Ok(()),
    }
}

fn is_ring_size(size: u16) -> bool {
    size.is_power_of_two() && size > 1
}

fn allocate_memory(spec: &GuestSpec) -> Result<GuestMemory> {
    let rx_slot = spec.buffer_size.next_multiple_of(64) as usize;
    let tx_slot = tx_queue::BUFFER_SIZE.next_multiple_of(64) + tx_queue::TABLE_SIZE;
    let (rx, tx) = (usize::from(spec.rx_ring), usize::from(spec.tx_ring));
    let rings = 32 * (rx + tx) + (64 << 10);
    let share = (rx_slot * rx + tx_slot * tx) / spec.memory_regions + rx_slot + tx_slot;
    let region = (rings + share).max(spec.memory.div_ceil(spec.memory_regions));
    let memory = GuestMemory::new(spec.memory_regions, region, spec.pages)?;
    if spec.populate {
        memory.populate()?;
    }
    Ok(memory)
}

fn listen(socket: &Socket) -> Result<Option<UnixListener>> {
    match socket {
        Socket::Client(_) => Ok(None),
        Socket::Server(path) => bind(path).map(Some).map_err(|source| Error::Socket {
            path: path.clone(),
            source,
        }),
    }
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
