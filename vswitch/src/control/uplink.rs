//! The uplink's device: open from the start on, or only while this instance is to have it, where both
//! instances have one and the same device.
//!
//! It is opened by order, after the other one has closed it; by itself when the other one has died,
//! or when a handover is off. Each is tried for a while: the kernel may not have taken the device
//! from a dead process yet. Meanwhile guests' packets wait in their own rings
//! ([`UplinkPort::is_awaited`]); when it is over, guests at least reach each other, and what is tried
//! after that holds nobody up.

use super::fault::{self, Phase};
use super::instance::Instance;
use super::phases::PhaseClock;
use crate::dpdk::{DpdkError, Eal, Mempool, MempoolConfig, Uplink, UplinkConfig};
use crate::program::say;
use crate::switch::{Ears, UplinkPort};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{Predecessor, Tenure};
use vhost_transfer::message::{FromInstance, UplinkOpened};

/// Room for a ring of the uplink, for a burst of every kind on the way, and for what the caches of
/// 16 lanes keep.
const MBUFS: u32 = 8191;
const CACHE: u32 = 128;
const DESCRIPTORS: u16 = 4096;
/// What a packet of the longest kind needs in one buffer.
const DATA_ROOM: u16 = 2048 + 128;

/// By order: the device was closed, so that what does not work now does not work soon.
const BY_ORDER: Duration = Duration::from_millis(250);
/// After a death, or when the other one has still to close it.
const BY_ITSELF: Duration = Duration::from_secs(3);
/// How long lanes hold guests' packets back for a device that nobody orders to be opened.
const UNORDERED: Duration = Duration::from_secs(2);
/// Between two tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// The uplink of this instance.
pub(super) struct UplinkDevice {
    eal: Eal,
    devargs: String,
    /// For what is received.
    pool: Mempool,
    pub(super) port: Arc<UplinkPort>,
    device: Option<Uplink>,
    /// It is opened only while this instance is to have it.
    later: bool,
    opening: Option<Opening>,
    /// Until when lanes hold guests' packets back without an order.
    holds_until: Option<Instant>,
}

/// Tries to open it.
struct Opening {
    next: Instant,
    pause: Duration,
    until: Instant,
    clock: PhaseClock,
}

impl UplinkDevice {
    /// Not open yet. `later`: it is opened by order, and awaited until then.
    pub(super) fn closed(
        eal: &Eal,
        devargs: &str,
        ears: Ears,
        later: bool,
        clock: &mut PhaseClock,
    ) -> Result<Self, DpdkError> {
        let config = MempoolConfig {
            mbufs: MBUFS,
            cache: CACHE,
            data_room: DATA_ROOM,
        };
        let pool = Mempool::new(eal, "uplink", &config)?;
        let port = UplinkPort::closed(Mempool::new(eal, "to uplink", &config)?, ears);
        clock.lap("mempool");
        port.set_awaited(later);
        Ok(Self {
            eal: eal.clone(),
            devargs: devargs.to_owned(),
            pool,
            port: Arc::new(port),
            device: None,
            later,
            opening: None,
            holds_until: None,
        })
    }

    /// Opens it now.
    pub(super) fn open(&mut self, clock: &mut PhaseClock) -> Result<(), DpdkError> {
        let config = UplinkConfig {
            rx_descriptors: DESCRIPTORS,
            tx_descriptors: DESCRIPTORS,
            ..UplinkConfig::default()
        };
        let device = Uplink::probe(&self.eal, &self.devargs, &self.pool)?;
        clock.lap("uplink probe");
        let mut device = device.configure(&config)?;
        receive_all(&mut device);
        clock.lap("uplink configure");
        let queues = device.start()?;
        clock.lap("uplink start");
        let pair = queues.into_first_pair();
        let (receive, transmit) = pair.ok_or_else(|| lacks_queues(&device))?;
        self.port.open(receive, transmit);
        self.device = Some(device);
        Ok(())
    }

    /// Its Ethernet address, when it is open.
    pub(super) fn mac(&self) -> Result<Option<[u8; 6]>, DpdkError> {
        self.device.as_ref().map(Uplink::mac).transpose()
    }

    /// Lanes hold guests' packets back for as long as they did so before.
    fn begin_to_open(&mut self, patience: Duration) {
        let now = Instant::now();
        let until = now + patience;
        self.holds_until = None;
        let opening = self.opening.get_or_insert_with(|| Opening {
            next: now,
            pause: FIRST_PAUSE,
            until,
            clock: PhaseClock::start(),
        });
        opening.until = opening.until.max(until);
    }

    /// What came of the opening, when that is known now.
    fn go_on_opening(&mut self) -> Option<UplinkOpened> {
        let now = Instant::now();
        let mut opening = self.opening.take_if(|opening| opening.next <= now)?;
        let outcome = self.open(&mut opening.clock);
        let trouble = match outcome {
            Err(_) if now < opening.until => {
                opening.next = Instant::now() + opening.pause;
                opening.pause = (2 * opening.pause).min(LAST_PAUSE);
                self.opening = Some(opening);
                return None;
            }
            Err(error) => {
                self.port.set_awaited(false);
                Some(error.to_string())
            }
            Ok(()) => None,
        };
        let phases = opening.clock.phases();
        Some(UplinkOpened { trouble, phases })
    }
}

/// A VF may be refused that. It is given what is for its own address then, and for everybody.
fn receive_all(device: &mut Uplink) {
    if let Err(error) = device.promiscuous_on() {
        say(format_args!(
            "vswitch: {error}; the uplink receives what the NIC is told to give it, and no more"
        ));
    }
}

fn lacks_queues(device: &Uplink) -> DpdkError {
    DpdkError::Queues {
        device: device.name().to_owned(),
        direction: "receive",
        wanted: 1,
        max: 0,
    }
}

impl Instance {
    /// The supervisor wants it open here.
    pub(super) fn open_uplink(&mut self) {
        if let Err(reason) = fault::at(self.id, Phase::Open) {
            return self.tell_of_uplink(Some(reason));
        }
        match &mut self.uplink {
            None => self.tell_of_uplink(Some("this switch has no uplink".to_owned())),
            Some(uplink) if uplink.device.is_some() => self.tell_of_uplink(None),
            Some(uplink) => {
                uplink.begin_to_open(BY_ORDER);
                self.go_on_with_uplink();
            }
        }
    }

    fn tell_of_uplink(&mut self, trouble: Option<String>) {
        let phases = Vec::new();
        let opened = UplinkOpened { trouble, phases };
        self.host.say(FromInstance::UplinkOpened(opened));
    }

    /// The supervisor wants it closed here. What the lanes have in hand is forwarded first; what is in
    /// the device's ring is lost, as all that comes until it is open again.
    pub(super) fn close_uplink(&mut self) {
        self.give_up_uplink();
        self.host.say(FromInstance::UplinkClosed);
    }

    /// The lanes have ended.
    pub(super) fn close_device(&mut self) {
        if let Some(uplink) = &mut self.uplink {
            uplink.opening = None;
            uplink.port.close();
            uplink.device = None;
        }
    }

    fn give_up_uplink(&mut self) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        uplink.opening = None;
        uplink.port.set_awaited(true);
        if uplink.device.is_some() {
            self.host.lanes.await_round();
            uplink.port.close();
            uplink.device = None;
        }
    }

    /// The lanes run. After a death nobody else has the device; else somebody is about to say who has
    /// it.
    pub(super) fn see_to_uplink(&mut self, tenure: Tenure) {
        let Some(uplink) = self.uplink.as_mut().filter(|uplink| uplink.later) else {
            return;
        };
        if uplink.device.is_some() || uplink.opening.is_some() {
            return;
        }
        match tenure.predecessor {
            Predecessor::Died => uplink.begin_to_open(BY_ITSELF),
            Predecessor::Released => uplink.holds_until = Some(Instant::now() + UNORDERED),
        }
        self.go_on_with_uplink();
    }

    /// A handover is off: who stays active has the device, and nobody else.
    pub(super) fn undo_move_of_uplink(&mut self) {
        let owns = self.stance.owns();
        let Some(uplink) = self.uplink.as_mut().filter(|uplink| uplink.later) else {
            return;
        };
        if !owns {
            self.give_up_uplink();
        } else if uplink.device.is_none() {
            uplink.begin_to_open(BY_ITSELF);
            self.go_on_with_uplink();
        }
    }

    /// Tries again what is to be tried again, and ends what took too long.
    pub(super) fn go_on_with_uplink(&mut self) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        if uplink
            .holds_until
            .is_some_and(|until| until <= Instant::now())
        {
            uplink.holds_until = None;
            uplink.port.set_awaited(false);
        }
        if let Some(opened) = uplink.go_on_opening() {
            self.host.say(FromInstance::UplinkOpened(opened));
        }
    }

    /// When to look after it.
    pub(super) fn next_look_at_uplink(&self) -> Option<Instant> {
        let uplink = self.uplink.as_ref()?;
        let opening = uplink.opening.as_ref().map(|opening| opening.next);
        opening.into_iter().chain(uplink.holds_until).min()
    }
}
