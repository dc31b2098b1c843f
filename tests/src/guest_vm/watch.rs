use std::net::Ipv4Addr;
use std::time::Duration;

use super::{GuestPing, GuestVm, QmpEvent, Result};

/// What a guest and its QEMU noticed while they were watched.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestReport {
    /// Pings the guest sent.
    pub ping_sent: u64,
    /// Pings that the guest's own kernel refused, its ring being full; not among the sent.
    pub ping_refused: u64,
    /// Pings that were answered.
    pub ping_received: u64,
    /// Pings that were not.
    pub lost: u64,
    /// Further replies to the same ping.
    pub doubled: u64,
    /// Longest time without an answer, in ms of the guest's clock.
    pub longest_gap_ms: f64,
    /// Longest time by which the guest's ping program itself was late, in ms.
    pub longest_stall_ms: f64,
    /// Changes of eth0's carrier, up and down counted apart (`carrier_changes` of sysfs).
    pub carrier_changes: u64,
    /// How often QEMU's net device saw its vhost-user connection closed.
    pub disconnect_events: u64,
    /// What QEMU said on QMP meanwhile.
    pub qmp_events: Vec<QmpEvent>,
}

impl GuestReport {
    /// No ping lost or refused, no carrier change, no disconnect.
    pub fn unnoticed(&self) -> bool {
        self.lost + self.ping_refused == 0
            && self.carrier_changes == 0
            && self.disconnect_events == 0
    }
}

/// A guest under watch: it pings, and what changes from now on is counted.
#[derive(Debug)]
pub struct GuestWatch<'vm> {
    vm: &'vm GuestVm,
    ping: GuestPing<'vm>,
    before: Counters,
}

#[derive(Debug)]
struct Counters {
    carrier_changes: u64,
    disconnects: u64,
    qmp_events: usize,
}

impl Counters {
    fn of(vm: &GuestVm) -> Result<Counters> {
        Ok(Counters {
            carrier_changes: vm.carrier_changes()?,
            disconnects: vm.disconnects()?,
            qmp_events: vm.qmp().events().len(),
        })
    }
}

impl<'vm> GuestWatch<'vm> {
    pub(super) fn start(
        vm: &'vm GuestVm,
        target: Ipv4Addr,
        interval: Duration,
    ) -> Result<GuestWatch<'vm>> {
        let before = Counters::of(vm)?;
        let ping = vm.ping(target, interval)?;
        Ok(GuestWatch { vm, ping, before })
    }

    /// Ends the watch.
    pub fn finish(self) -> Result<GuestReport> {
        let ping = self.ping.finish()?;
        let after = Counters::of(self.vm)?;
        Ok(GuestReport {
            ping_sent: ping.sent,
            ping_refused: ping.refused,
            ping_received: ping.received,
            lost: ping.lost(),
            doubled: ping.doubled,
            longest_gap_ms: ping.longest_gap_us as f64 / 1000.0,
            longest_stall_ms: ping.longest_stall_us as f64 / 1000.0,
            carrier_changes: after
                .carrier_changes
                .saturating_sub(self.before.carrier_changes),
            disconnect_events: after.disconnects - self.before.disconnects,
            qmp_events: self.vm.qmp().events().split_off(self.before.qmp_events),
        })
    }
}
