//! Numbered frames through packet sockets. Source: packet(7).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;

/// IEEE 802 "local experimental": nobody else sends it.
const ETHERTYPE: u16 = 0x88b5;
const LENGTH: usize = 64;
const NUMBER_AT: usize = 14;
/// Who is behind the instances, and who is on the wire.
pub(crate) const GUEST: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const OUTSIDE: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const EVERYBODY: [u8; 6] = [0xff; 6];

/// A packet socket on one device, for numbered frames only.
pub(crate) struct Socket(OwnedFd);

impl Socket {
    pub(crate) fn open(device: &str) -> Self {
        let protocol = i32::from(ETHERTYPE.to_be());
        let flags = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::socket(libc::AF_PACKET, flags, protocol) };
        assert!(
            fd >= 0,
            "a packet socket (needs CAP_NET_RAW): {}",
            io::Error::last_os_error()
        );
        // SAFETY: the kernel has just given us this descriptor.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        socket.bind(device);
        socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
        socket
    }

    fn bind(&self, device: &str) {
        let index = nix::net::if_::if_nametoindex(device).expect(device);
        // SAFETY: all-zero bytes are a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ETHERTYPE.to_be();
        address.sll_ifindex = index.cast_signed();
        let length = size_of_val(&address) as libc::socklen_t;
        let pointer = (&raw const address).cast();
        // SAFETY: pointer and length are those of `address`, which lives across the call.
        let result = unsafe { libc::bind(self.0.as_raw_fd(), pointer, length) };
        assert_eq!(
            result,
            0,
            "bind to {device}: {}",
            io::Error::last_os_error()
        );
    }

    fn set(&self, level: i32, option: i32, value: i32) {
        let length = size_of_val(&value) as libc::socklen_t;
        let pointer = (&raw const value).cast();
        // SAFETY: pointer and length are those of `value`, which lives across the call.
        let result =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), level, option, pointer, length) };
        assert_eq!(
            result,
            0,
            "setsockopt {option}: {}",
            io::Error::last_os_error()
        );
    }

    /// Sends frame `number` to the guest; `false`: the kernel has no room for it now.
    pub(crate) fn send(&self, number: u64) -> bool {
        self.send_to(GUEST, OUTSIDE, number)
    }

    /// The guest says that it is here.
    pub(crate) fn announce(&self) {
        assert!(self.send_to(EVERYBODY, GUEST, 0));
    }

    /// Sends frame `number` from and to whom it may be.
    pub(crate) fn send_to(&self, to: [u8; 6], from: [u8; 6], number: u64) -> bool {
        let mut frame = [0u8; LENGTH];
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&from);
        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        frame[NUMBER_AT..NUMBER_AT + 8].copy_from_slice(&number.to_be_bytes());
        let pointer = frame.as_ptr().cast();
        // SAFETY: pointer and length are those of `frame`, which lives across the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), pointer, LENGTH, 0) };
        usize::try_from(sent).is_ok_and(|sent| sent == LENGTH)
    }

    /// The number of the next frame that has arrived.
    pub(crate) fn receive(&self) -> Option<u64> {
        let mut frame = [0u8; 2 * LENGTH];
        let pointer = frame.as_mut_ptr().cast();
        // SAFETY: pointer and length are those of `frame`, which lives across the call.
        let length = unsafe { libc::recv(self.0.as_raw_fd(), pointer, frame.len(), 0) };
        let length = usize::try_from(length).ok()?;
        assert_eq!(length, LENGTH, "a frame arrived whole");
        let number = frame[NUMBER_AT..].first_chunk().expect("eight bytes");
        Some(u64::from_be_bytes(*number))
    }

    /// The number of the next frame, which may take its time on a busy machine.
    pub(crate) fn wait(&self) -> Option<u64> {
        let deadline = Instant::now() + Duration::from_millis(500);
        loop {
            match self.receive() {
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                received => return received,
            }
        }
    }

    /// How many frames have arrived since the last call, received or not.
    pub(crate) fn arrived(&self) -> u32 {
        let mut statistics = libc::tpacket_stats {
            tp_packets: 0,
            tp_drops: 0,
        };
        let mut length = size_of_val(&statistics) as libc::socklen_t;
        let pointer = (&raw mut statistics).cast();
        let fd = self.0.as_raw_fd();
        // SAFETY: pointer and length are those of `statistics`, which lives across the call.
        let result = unsafe {
            libc::getsockopt(
                fd,
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                pointer,
                &mut length,
            )
        };
        assert_eq!(result, 0, "statistics: {}", io::Error::last_os_error());
        statistics.tp_packets
    }
}
