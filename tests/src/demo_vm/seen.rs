//! What guest, host and QEMU notice while they are watched.

use super::Result;
use super::machine::MachineWatch;
use crate::guest_vm::{GuestReport, GuestVm, GuestWatch, HostPing, PingReport};
use serde::Serialize;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Between two pings of one direction.
const EVERY: Duration = Duration::from_millis(2);
/// When the machine stands still for longer, rings of 1024 packets begin to run over.
const STALL_LIMIT: Duration = Duration::from_millis(500);

/// Pings in both directions, and counters of what else can be noticed.
#[derive(Debug)]
pub struct Watch<'vm> {
    guest: GuestWatch<'vm>,
    host: HostPing,
    machine: MachineWatch,
}

impl<'vm> Watch<'vm> {
    /// Pings between `vm` and `host`, an address in the calling thread's network namespace.
    pub(super) fn start(vm: &'vm GuestVm, host: Ipv4Addr) -> Result<Self> {
        let guest = vm.watch(host, EVERY)?;
        let host = HostPing::start(vm.config().ip, EVERY)?;
        let machine = MachineWatch::start().map_err(std::io::Error::from)?;
        Ok(Self {
            guest,
            host,
            machine,
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When guest or QEMU do not answer any more.
    pub fn finish(self) -> Result<Seen> {
        let host = self.host.finish()?;
        Ok(Seen::new(
            &self.guest.finish()?,
            &host,
            self.machine.finish(),
        ))
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
    /// Longest time for which a CPU of the host did not let an ordinary thread run, ms.
    pub machine_stall_ms: f64,
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
    fn new(guest: &GuestReport, host: &PingReport, stall: Duration) -> Self {
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
            machine_stall_ms: stall.as_secs_f64() * 1000.0,
        }
    }

    /// Every ping was answered once, the carrier stayed, and so did the connection.
    pub fn unnoticed(&self) -> bool {
        self.missing() == 0 && self.kept_connection()
    }

    /// Nothing is wrong but missing pings, and the machine stood still for so long that nobody can
    /// know whose fault they are.
    pub fn void(&self) -> bool {
        let stalled = self.machine_stall_ms > STALL_LIMIT.as_secs_f64() * 1000.0;
        stalled && self.missing() > 0 && self.kept_connection()
    }

    fn missing(&self) -> u64 {
        self.guest_to_host.missing() + self.host_to_guest.missing()
    }

    fn kept_connection(&self) -> bool {
        let doubled = self.guest_to_host.doubled + self.host_to_guest.doubled;
        doubled + self.carrier_changes + self.disconnects == 0
    }
}

impl Pings {
    /// Pings without an answer, and those that could not even be sent.
    pub(super) fn missing(&self) -> u64 {
        self.lost + self.refused
    }
}
