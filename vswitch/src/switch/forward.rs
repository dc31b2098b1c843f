//! One lane's forwarding: learn, look up, copy.

use super::plan::{Plan, VhostView};
use super::uplink::{BURST, UplinkPort, list};
use crate::dpdk::MbufBatch;
use crate::ring::{Frame, Pushed, Room, Taken};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use vhost_transfer::ledger::{MacAddr, Tenure};
use vhost_transfer::{Ledger, MAX_PORTS, PortId};

const WORDS: usize = MAX_PORTS as usize / 64;

/// Forwards bursts for one lane; keeps its scratch memory between them.
pub struct Forwarder {
    lane: u16,
    ledger: Arc<Ledger>,
    uplink: Option<Arc<UplinkPort>>,
    aging: u32,
    /// CLOCK_MONOTONIC, seconds, as of the last [`Self::set_time`].
    now: u32,
    frame: Frame,
    room: Room,
    burst: MbufBatch<BURST>,
    /// Ports whose rings have packets that the guest does not see yet.
    unflushed: [u64; WORDS],
    to_uplink: bool,
}

impl Forwarder {
    /// The forwarder of `lane` between the vhost ports of whatever plan it is given and `uplink`.
    /// Addresses that were silent for `aging` seconds are forgotten.
    pub fn new(
        lane: u16,
        ledger: Arc<Ledger>,
        uplink: Option<Arc<UplinkPort>>,
        aging: u32,
    ) -> Self {
        Self {
            lane,
            ledger,
            uplink,
            aging,
            now: 0,
            frame: Frame::default(),
            room: Room::default(),
            burst: MbufBatch::new(),
            unflushed: [0; WORDS],
            to_uplink: false,
        }
    }

    /// The time for learning and aging: CLOCK_MONOTONIC, seconds.
    pub fn set_time(&mut self, now: u32) {
        self.now = now;
    }

    /// Notes in the ledger whose ring is served from here on, [`PortId::UPLINK`] for none's, so that
    /// it is known should this lane die over it.
    pub fn serves(&self, port: PortId) {
        self.ledger
            .lane(self.lane)
            .serving
            .store(port.get().into(), Relaxed);
    }

    /// Forwards a burst from the uplink; how many packets. Probes are no packets.
    pub fn poll_uplink(&mut self, plan: &Plan, tenure: Tenure) -> usize {
        let Some(uplink) = self.uplink.clone() else {
            return 0;
        };
        let mut burst = std::mem::take(&mut self.burst);
        let mut frame = std::mem::take(&mut self.frame);
        let mut count = uplink.receive(&mut burst);
        let mut bytes = 0;
        for mbuf in burst.iter() {
            if uplink.takes_probe(mbuf) {
                count -= 1;
            } else if list(mbuf, &mut frame) {
                bytes += u64::from(frame.len());
                self.forward(plan, tenure, PortId::UPLINK, &frame);
            }
        }
        self.flush(plan, tenure);
        burst.clear();
        (self.burst, self.frame) = (burst, frame);
        self.count_received(PortId::UPLINK, count as u64, bytes);
        count
    }

    /// Forwards a burst from the guest behind `view`; how many packets. Its buffers go back to it
    /// after every packet is where it belongs.
    pub fn poll_guest(&mut self, plan: &Plan, tenure: Tenure, view: &VhostView) -> usize {
        let Some(transmit) = &view.transmit else {
            return 0;
        };
        let ledger = Arc::clone(&self.ledger);
        let slot = transmit.slot(&ledger, view.port);
        self.serves(view.port);
        let mut cursor = transmit.cursor(&ledger, view.port, tenure);
        let count = transmit.ring.transmittable(&mut cursor, BURST as u16);
        if count == 0 {
            return 0;
        }
        let mut frame = std::mem::take(&mut self.frame);
        let (mut packets, mut bytes) = (0, 0);
        for _ in 0..count {
            match transmit.ring.take(&mut cursor, &mut frame) {
                Some(Taken::Packet) if transmit.enabled => {
                    packets += 1;
                    bytes += u64::from(frame.len());
                    self.forward(plan, tenure, view.port, &frame);
                }
                Some(Taken::Packet | Taken::Garbage) => {
                    add(&self.ledger.counters(view.port).rx_dropped, 1)
                }
                None => break,
            }
        }
        self.frame = frame;
        self.flush(plan, tenure);
        self.serves(view.port);
        transmit.ring.complete(&mut cursor, slot);
        self.count_received(view.port, packets, bytes);
        usize::from(count)
    }

    /// Finds the place in the ring on which the guest behind `view` receives, be there something to
    /// send or not.
    pub fn find_place(&self, view: &VhostView, tenure: Tenure) {
        if let Some(receive) = &view.receive {
            self.serves(view.port);
            drop(receive.cursor(&self.ledger, view.port, tenure));
        }
    }

    /// Sends `frame` as if it had come in by `from`.
    pub fn inject(&mut self, plan: &Plan, tenure: Tenure, from: PortId, frame: &Frame) {
        self.forward(plan, tenure, from, frame);
        self.flush(plan, tenure);
    }

    fn forward(&mut self, plan: &Plan, tenure: Tenure, from: PortId, frame: &Frame) {
        let Some(addresses) = frame.prefix::<12>() else {
            return add(&self.ledger.counters(from).rx_dropped, 1);
        };
        let (to, source) = addresses.split_at(6);
        let (to, source): (MacAddr, MacAddr) = (
            to.try_into().expect("6 bytes"),
            source.try_into().expect("6 bytes"),
        );
        if !is_group(source) {
            self.ledger.fdb().learn(source, from, self.now, self.aging);
        }
        match self.destination(to) {
            Some(port) if port == from => add(&self.ledger.counters(from).rx_dropped, 1),
            Some(port) => self.deliver(plan, tenure, port, frame),
            None => self.flood(plan, tenure, from, frame),
        }
        self.serves(from);
    }

    fn destination(&self, to: MacAddr) -> Option<PortId> {
        if is_group(to) {
            None
        } else {
            self.ledger.fdb().lookup(to, self.now, self.aging)
        }
    }

    fn flood(&mut self, plan: &Plan, tenure: Tenure, from: PortId, frame: &Frame) {
        if from != PortId::UPLINK {
            self.deliver(plan, tenure, PortId::UPLINK, frame);
        }
        for view in plan.views().filter(|view| view.port != from) {
            self.deliver_to_guest(view, tenure, frame);
        }
    }

    fn deliver(&mut self, plan: &Plan, tenure: Tenure, to: PortId, frame: &Frame) {
        if to == PortId::UPLINK {
            self.deliver_to_uplink(frame);
        } else if let Some(view) = plan.view(to) {
            self.deliver_to_guest(view, tenure, frame);
        } else {
            add(&self.ledger.counters(to).tx_dropped, 1);
        }
    }

    fn deliver_to_uplink(&mut self, frame: &Frame) {
        let Some(uplink) = &self.uplink else { return };
        let dropped = uplink.push(frame);
        self.to_uplink = true;
        let counters = self.ledger.counters(PortId::UPLINK);
        add(&counters.tx_packets, 1);
        add(&counters.tx_bytes, u64::from(frame.len()));
        add(&counters.tx_dropped, dropped);
    }

    fn deliver_to_guest(&mut self, view: &VhostView, tenure: Tenure, frame: &Frame) {
        let counters = self.ledger.counters(view.port);
        let Some(receive) = &view.receive else {
            return add(&counters.tx_dropped, 1);
        };
        self.serves(view.port);
        let mut cursor = receive.cursor(&self.ledger, view.port, tenure);
        match receive.ring.push(&mut cursor, frame, &mut self.room) {
            Pushed::Yes => {
                add(&counters.tx_packets, 1);
                add(&counters.tx_bytes, u64::from(frame.len()));
                self.unflushed[view.port.index() / 64] |= 1 << (view.port.index() % 64);
            }
            Pushed::NoRoom | Pushed::Broken => add(&counters.tx_dropped, 1),
        }
    }

    /// Shows all destinations what this burst brought.
    fn flush(&mut self, plan: &Plan, tenure: Tenure) {
        for word in 0..WORDS {
            let mut ports = std::mem::take(&mut self.unflushed[word]);
            while ports != 0 {
                let number = word * 64 + ports.trailing_zeros() as usize;
                ports &= ports - 1;
                let port = PortId::new(number as u16).expect("the set holds no other");
                self.flush_guest(plan, tenure, port);
            }
        }
        if std::mem::take(&mut self.to_uplink) {
            let dropped = self.uplink.as_ref().map_or(0, |uplink| uplink.send());
            add(&self.ledger.counters(PortId::UPLINK).tx_dropped, dropped);
        }
    }

    fn flush_guest(&self, plan: &Plan, tenure: Tenure, port: PortId) {
        if let Some(receive) = plan.view(port).and_then(|view| view.receive.as_ref()) {
            let slot = receive.slot(&self.ledger, port);
            self.serves(port);
            receive
                .ring
                .flush(&mut receive.cursor(&self.ledger, port, tenure), slot);
        }
    }

    fn count_received(&self, port: PortId, packets: u64, bytes: u64) {
        let counters = self.ledger.counters(port);
        add(&counters.rx_packets, packets);
        add(&counters.rx_bytes, bytes);
    }
}

fn is_group(mac: MacAddr) -> bool {
    mac[0] & 1 != 0
}

fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Relaxed);
    }
}
