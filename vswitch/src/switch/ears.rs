//! What the uplink hears: the supervisor's probes are taken out of what arrives, and answered in the
//! ledger.
//!
//! A probe is looked for wherever packets are taken from the uplink, by the lane that serves it or by
//! the control thread of a standby. So nobody polls for its sake, and there is one who polls at a time.

use crate::dpdk::Mbuf;
use std::sync::Arc;
use vhost_transfer::probe::Probe;
use vhost_transfer::{InstanceId, Ledger};

/// The ears of one instance.
#[derive(Debug, Clone)]
pub struct Ears {
    ledger: Arc<Ledger>,
    instance: InstanceId,
}

impl Ears {
    /// Those of `instance`. From now on the supervisor may ask whether they hear.
    pub fn new(ledger: Arc<Ledger>, instance: InstanceId) -> Self {
        ledger.instance(instance).listen();
        Self { ledger, instance }
    }

    /// Whether a packet is a probe, which is not forwarded: not even one that nobody asked for, or a
    /// guest would learn what a probe looks like.
    #[inline]
    pub fn take(&self, mbuf: &Mbuf) -> bool {
        let Some(probe) = Probe::read(mbuf.data()) else {
            return false;
        };
        self.ledger.instance(self.instance).hear(probe.token);
        true
    }

    /// So many packets were taken from the uplink.
    #[inline]
    pub(super) fn count(&self, packets: usize) {
        if packets > 0 {
            let slot = self.ledger.instance(self.instance);
            slot.count_received(packets as u64);
        }
    }
}
