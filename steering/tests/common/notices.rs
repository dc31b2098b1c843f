//! What the kernel tells about network devices. Source: Linux `net/core/rtnetlink.c` (`do_setlink`):
//! one request that sets VFs is one notice.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::libc::RTNLGRP_LINK;

/// A socket that hears of every change to devices in the network namespace of the thread.
pub(crate) struct Notices(Socket);

impl Notices {
    pub(crate) fn open() -> Self {
        let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
        socket.bind(&SocketAddr::new(0, 0)).expect("bind");
        socket.set_non_blocking(true).expect("non-blocking");
        socket.add_membership(RTNLGRP_LINK).expect("notices");
        Self(socket)
    }

    /// How many have come since the last call. The kernel sends them before it acknowledges a request.
    pub(crate) fn count(&self) -> usize {
        let take = || self.0.recv(&mut &mut [0u8; 1][..], 0).is_ok();
        std::iter::from_fn(|| take().then_some(())).count()
    }
}
