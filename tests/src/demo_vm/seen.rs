//! What guest, host and QEMU notice while they are watched.

use super::Result;
use crate::guest_vm::{GuestReport, GuestVm, GuestWatch, HostPing, PingReport};
use serde::Serialize;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Between two pings of one direction.
const EVERY: Duration = Duration::from_millis(2);

/// Pings in both directions, and counters of what else can be noticed.
#[derive(Debug)]
pub struct Watch<'vm> {
    guest: GuestWatch<'vm>,
    host: HostPing,
}

impl<'vm> Watch<'vm> {
    /// Pings between `vm` and `host`, an address in the calling thread's network namespace.
    pub(super) fn start(vm: &'vm GuestVm, host: Ipv4Addr) -> Result<Self> {
        let guest = vm.watch(host, EVERY)?;
        let host = HostPing::start(vm.config().ip, EVERY)?;
        Ok(Self { guest, host })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When guest or QEMU do not answer any more.
    pub fn finish(self) -> Result<Seen> {
        let host = self.host.finish()?;
        Ok(Seen::new(&self.guest.finish()?, &host))
    }
}

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Pings from the guest to the host.
    pub guest_to_host: Pings,
    /// Pings from the host to the guest.
    pub host_to_guest: Pings,
    /// Changes of the carrier in the guest, up and down counted apart.
    pub carrier_changes: u64,
    /// How often QEMU saw its vhost-user connection closed.
    pub disconnects: u64,
}

/// Pings in one direction, and back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pings {
    /// Requests.
    pub sent: u64,
    /// Requests without an answer.
    pub lost: u64,
    /// Second answers to the same request.
    pub doubled: u64,
    /// Requests that the sender's own kernel did not take; not among the sent.
    pub refused: u64,
    /// Longest time without an answer, ms.
    pub longest_gap_ms: f64,
    /// Longest time by which the sender itself was late, ms.
    pub longest_stall_ms: f64,
}

impl Seen {
    fn new(guest: &GuestReport, host: &PingReport) -> Self {
        Self {
            guest_to_host: Pings {
                sent: guest.ping_sent,
                lost: guest.lost,
                doubled: guest.doubled,
                refused: guest.ping_refused,
                longest_gap_ms: guest.longest_gap_ms,
                longest_stall_ms: guest.longest_stall_ms,
            },
            host_to_guest: Pings {
                sent: host.sent,
                lost: host.lost(),
                doubled: host.doubled,
                refused: host.refused,
                longest_gap_ms: host.longest_gap_us as f64 / 1000.0,
                longest_stall_ms: host.longest_stall_us as f64 / 1000.0,
            },
            carrier_changes: guest.carrier_changes,
            disconnects: guest.disconnect_events,
        }
    }

    /// Every ping was answered once, the carrier stayed, and so did the connection.
    pub fn unnoticed(&self) -> bool {
        let kept = |pings: &Pings| pings.lost + pings.doubled + pings.refused == 0;
        kept(&self.guest_to_host)
            && kept(&self.host_to_guest)
            && self.carrier_changes + self.disconnects == 0
    }
}
