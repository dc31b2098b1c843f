//! A way for the host to send to one instance and to nobody else, through what leads to it.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{self, sockaddr_ll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike, sendto, socket,
};

use crate::netlink::Netlink;

/// Where nobody has an address of their own, all listen.
const BROADCAST: [u8; 6] = [0xff; 6];
/// IEEE 802.1Q.
const TAG: u16 = 0x8100;

/// A network device of the host, and how a frame is to look that the instance behind it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The network device by which the host sends.
    pub netdev: String,
    /// Whom the frame is for.
    pub destination: [u8; 6],
    /// In which VLAN it is sent; the NIC takes the tag off.
    pub vlan: Option<u16>,
}

impl Way {
    /// By a network device behind which is nobody but the instance.
    pub(crate) fn alone(netdev: &str) -> Self {
        Self {
            netdev: netdev.to_owned(),
            destination: BROADCAST,
            vlan: None,
        }
    }

    fn frame(&self, source: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let tag = self.vlan.into_iter().flat_map(|vlan| [TAG, vlan]);
        let types = tag.chain([ethertype]).flat_map(u16::to_be_bytes);
        let header = self.destination.into_iter().chain(source).chain(types);
        header.chain(payload.iter().copied()).collect()
    }
}

/// Sends frames by network devices of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Sender {
    netlink: Netlink,
    socket: OwnedFd,
}

impl Sender {
    /// A packet socket that receives nothing.
    ///
    /// # Errors
    /// What the kernel says: it wants `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        let netlink = Netlink::open()?;
        Ok(Self { netlink, socket })
    }

    /// Whether the network device is there, is up and has a link partner.
    pub fn has_carrier(&self, netdev: &str) -> bool {
        let link = self.netlink.link_by_name(netdev);
        link.is_ok_and(|link| link.is_some_and(|link| link.carrier))
    }

    /// Sends one frame, with the network device's own address as its source.
    ///
    /// # Errors
    /// What the kernel says: the device is not there, is down, or is busy.
    pub fn send(&self, way: &Way, ethertype: u16, payload: &[u8]) -> io::Result<()> {
        let link = self.netlink.link_by_name(&way.netdev)?;
        let link = link.ok_or(Errno::ENODEV)?;
        let source = link.address.ok_or(Errno::EAFNOSUPPORT)?;
        let frame = way.frame(source, ethertype, payload);
        let to = device(link.index)?;
        let fd = self.socket.as_raw_fd();
        sendto(fd, &frame, &to, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// That a packet socket sends by (packet(7)).
fn device(index: u32) -> io::Result<LinkAddr> {
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut raw: sockaddr_ll = unsafe { std::mem::zeroed() };
    raw.sll_family = libc::AF_PACKET as u16;
    raw.sll_ifindex = i32::try_from(index).map_err(|_| Errno::EINVAL)?;
    raw.sll_halen = 6;
    let length = size_of::<sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `raw` is a whole sockaddr_ll, and `length` its size.
    let address = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    address.ok_or_else(|| Errno::EINVAL.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_a_tag_where_there_is_a_vlan() {
        let mut way = Way::alone("eth0");
        let plain = way.frame([2, 0, 0, 0, 0, 1], 0x88b5, b"hello");
        assert_eq!(plain[..6], BROADCAST);
        assert_eq!(plain[6..14], [2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
        assert_eq!(&plain[14..], b"hello");
        way.vlan = Some(100);
        let tagged = way.frame([2, 0, 0, 0, 0, 1], 0x88b5, b"hello");
        assert_eq!(tagged[12..18], [0x81, 0, 0, 100, 0x88, 0xb5]);
        assert_eq!(&tagged[18..], b"hello");
    }

    #[test]
    fn a_device_that_is_not_there_sends_nothing() {
        let Ok(sender) = Sender::open() else {
            panic!("this test needs CAP_NET_RAW");
        };
        assert!(!sender.has_carrier("not-here-0"));
        let sent = sender.send(&Way::alone("not-here-0"), 0x88b6, b"hello");
        let errno = sent.unwrap_err().raw_os_error();
        assert_eq!(errno, Some(Errno::ENODEV as i32));
    }
}
