//! The far end of the switch's uplink: an AF_PACKET socket on a network device, often one end of a veth
//! in a namespace of its own (man 7 packet; Documentation/networking/packet_mmap.rst).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use nix::libc;
use nix::sched::{CloneFlags, setns};

use super::endpoint::{Endpoint, Link};
use super::error::{Error, Result, system};
use super::frame::ETHERTYPE;
use super::packet_ring::PacketRing;

/// Where the uplink ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkSpec {
    /// Network namespace, as a path under `/run/netns` or `/proc/PID/ns/net`; none for the current one.
    pub namespace: Option<PathBuf>,
    /// Name of the network device, which must be up.
    pub interface: String,
    /// Frames of the receive ring: 2 KiB of memory each, a multiple of 32.
    pub ring_size: u32,
}

impl UplinkSpec {
    /// An end with a receive ring of 16,384 frames: 327 ms at 50,000 frames a second.
    pub fn new(namespace: Option<PathBuf>, interface: &str) -> Self {
        Self {
            namespace,
            interface: interface.into(),
            ring_size: 16_384,
        }
    }
}

/// An open end. Receives through a mapped ring, sends with one system call a frame.
pub struct Uplink {
    socket: OwnedFd,
    ring: PacketRing,
    link: Arc<Link>,
    adopted: bool,
}

impl Uplink {
    /// Opens a socket on the device that takes frames of the instrument's ethertype only.
    pub fn open(spec: &UplinkSpec) -> Result<Self> {
        let socket = open_in_namespace(spec)?;
        let ring = PacketRing::new(&socket, spec.ring_size)
            .map_err(system(format!("{}: map a receive ring", spec.interface)))?;
        Ok(Self {
            socket,
            ring,
            link: Link::always_up(),
            adopted: false,
        })
    }
}

impl Endpoint for Uplink {
    fn send(&mut self, frame: &[u8]) -> bool {
        let (fd, data) = (self.socket.as_raw_fd(), frame.as_ptr().cast());
        // SAFETY: pointer and length are those of one slice, which the kernel only reads.
        let sent = unsafe { libc::send(fd, data, frame.len(), libc::MSG_DONTWAIT) };
        sent == frame.len() as isize
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let length = self.ring.next(frame)?;
        if self.ring.lost_frames() {
            self.link.add_overflowed(overflowed(&self.socket));
        }
        Some(length)
    }

    fn flush(&mut self) {}

    fn adopt_link(&mut self) -> bool {
        !std::mem::replace(&mut self.adopted, true)
    }

    fn link(&self) -> Arc<Link> {
        self.link.clone()
    }
}

/// Opens the socket on a thread of its own, since a namespace is a thread's.
fn open_in_namespace(spec: &UplinkSpec) -> Result<OwnedFd> {
    let open = || {
        if let Some(path) = &spec.namespace {
            let what = || format!("enter the network namespace {}", path.display());
            let file = File::open(path).map_err(system(what()))?;
            setns(file, CloneFlags::CLONE_NEWNET).map_err(system(what()))?;
        }
        open_socket(&spec.interface)
    };
    let opened = std::thread::scope(|scope| scope.spawn(open).join());
    opened.map_err(|_| Error::InstrumentGone)?
}

fn open_socket(interface: &str) -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let raw = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    let raw = check(raw).map_err(system("open a packet socket (this needs CAP_NET_RAW)"))?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    let name = format!("{interface}: bind a packet socket");
    let index = nix::net::if_::if_nametoindex(interface).map_err(system(name.clone()))?;
    bind(&socket, index).map_err(system(name))?;
    Ok(socket)
}

fn bind(socket: &OwnedFd, index: u32) -> io::Result<()> {
    // SAFETY: an all-zero sockaddr_ll is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ETHERTYPE.to_be();
    address.sll_ifindex = index as i32;
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: pointer and size are those of the address.
    let done = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) };
    check(done).map(drop)
}

/// Frames dropped for want of room since the last call.
fn overflowed(socket: &OwnedFd) -> u64 {
    let mut stats = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut size = size_of_val(&stats) as libc::socklen_t;
    let (fd, target) = (socket.as_raw_fd(), (&raw mut stats).cast());
    let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    // SAFETY: pointer and size are those of `stats`.
    let done = unsafe { libc::getsockopt(fd, level, name, target, &mut size) };
    if done == 0 {
        u64::from(stats.tp_drops)
    } else {
        0
    }
}

/// The result of a system call.
pub(super) fn check(result: i32) -> io::Result<i32> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}
