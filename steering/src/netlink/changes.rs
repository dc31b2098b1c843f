//! Notice of what changes about network devices and their filters. Source: Linux
//! `net/core/rtnetlink.c` (`rtmsg_ifinfo`) and `net/sched/cls_api.c` (`tfilter_notify`): the notice is
//! in the socket before the request that makes the change is acknowledged.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::libc::{RTNLGRP_LINK, RTNLGRP_TC};

/// Notices that are taken out at once. More than that are news as well, and the rest waits.
const ROUND: usize = 1024;

/// A socket that hears of every change to devices, qdiscs and filters in the network namespace of the
/// thread that opened it.
#[derive(Debug)]
pub(crate) struct Changes {
    socket: Socket,
}

impl Changes {
    /// Hears of all that changes from now on.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        for group in [RTNLGRP_LINK, RTNLGRP_TC] {
            socket.add_membership(group)?;
        }
        Ok(Self { socket })
    }

    /// Whether anything may have changed since the last call, or since the socket was opened.
    ///
    /// An error is news, too: ENOBUFS says that notices did not fit into the socket.
    pub(crate) fn any(&self) -> bool {
        (0..ROUND).take_while(|_| self.take()).count() > 0
    }

    /// Takes one notice out, or the word that some are lost; false when there is neither.
    fn take(&self) -> bool {
        let mut first_byte = [0u8; 1];
        let taken = self.socket.recv(&mut &mut first_byte[..], 0);
        !taken.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    /// In a thread with a network namespace of its own, which ends with the thread.
    fn in_namespace(test: impl FnOnce() + Send + 'static) {
        let inside = move || {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("a network namespace: this test needs root (CAP_SYS_ADMIN)");
            test();
        };
        if let Err(panic) = std::thread::spawn(inside).join() {
            std::panic::resume_unwind(panic);
        }
    }

    fn sh(line: &str) {
        let status = Command::new("sh").args(["-c", line]).status();
        assert!(status.expect("sh").success(), "{line}");
    }

    #[test]
    fn what_changes_is_news_once() {
        in_namespace(|| {
            let changes = Changes::open().expect("open");
            assert!(!changes.any(), "nothing has changed");
            for line in [
                "ip link add vf0 type veth peer name vf1",
                "ip link set vf0 up",
                "tc qdisc add dev vf0 clsact",
                "tc filter add dev vf0 ingress protocol all pref 9 u32 match u8 0 0",
                "tc filter del dev vf0 ingress pref 9",
                "tc qdisc del dev vf0 clsact",
                "ip link set vf0 down",
                "ip link set vf0 name vf2",
                "ip link del vf2",
            ] {
                sh(line);
                assert!(changes.any(), "{line}");
                assert!(!changes.any(), "only once: {line}");
            }
        });
    }

    #[test]
    fn more_notices_than_the_socket_holds_are_news() {
        in_namespace(|| {
            sh("ip link add vf0 type veth peer name vf1");
            let changes = Changes::open().expect("open");
            changes
                .socket
                .set_rx_buf_sz(1024u32)
                .expect("a small buffer");
            sh("for n in 1 2 3 4 5 6 7 8; do ip link set vf0 mtu 100$n; done");
            let lost = changes.socket.recv(&mut &mut [0u8; 1][..], 0).err();
            let lost = lost.and_then(|error| error.raw_os_error());
            assert_eq!(lost, Some(nix::libc::ENOBUFS), "the kernel says so first");
            assert!(changes.any());
            assert!(!changes.any());
            sh("ip link set vf0 mtu 1400");
            assert!(changes.any(), "it hears again");
        });
    }
}
