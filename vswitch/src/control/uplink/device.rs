//! The uplink's device: closed, open, or tried to be opened.

use super::super::phases::PhaseClock;
use crate::dpdk::{DpdkError, Eal, Mempool, MempoolConfig, Uplink, UplinkConfig};
use crate::program::say;
use crate::switch::{Ears, UplinkPort};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vhost_transfer::message::UplinkOpened;

/// Room for a ring of the uplink, for a burst of every kind on the way, and for what the caches of
/// 16 lanes keep.
const MBUFS: u32 = 8191;
const CACHE: u32 = 128;
const DESCRIPTORS: u16 = 4096;
/// What a packet of the longest kind needs in one buffer.
const DATA_ROOM: u16 = 2048 + 128;

/// Between two tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// The uplink of this instance.
pub(in crate::control) struct UplinkDevice {
    eal: Eal,
    devargs: String,
    /// For what is received.
    pool: Mempool,
    pub(in crate::control) port: Arc<UplinkPort>,
    device: Option<Uplink>,
    moves: bool,
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
    pub(in crate::control) fn closed(
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
            moves: later,
            opening: None,
            holds_until: None,
        })
    }

    /// Opens it now.
    pub(in crate::control) fn open(&mut self, clock: &mut PhaseClock) -> Result<(), DpdkError> {
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
    pub(in crate::control) fn mac(&self) -> Result<Option<[u8; 6]>, DpdkError> {
        self.device.as_ref().map(Uplink::mac).transpose()
    }

    /// Whether it is opened only while this instance is to have it.
    pub(super) fn moves(&self) -> bool {
        self.moves
    }

    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        self.device.is_some()
    }

    /// Whether it is tried to open it.
    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Nobody tries to open it any more, and lanes hold guests' packets back until somebody does.
    pub(super) fn await_opening(&mut self) {
        self.opening = None;
        self.port.set_awaited(true);
    }

    /// Closes it, when what was handed to it has left it, and tries no more to open it.
    pub(super) fn close(&mut self) {
        self.opening = None;
        self.port.close();
        self.device = None;
    }

    /// Lanes that hold guests' packets back go on without the device if nobody opens it for so long.
    pub(super) fn hold_guests_for(&mut self, patience: Duration) {
        self.holds_until = Some(Instant::now() + patience);
    }

    /// Lets lanes go on that have held guests' packets back for long enough.
    pub(super) fn let_guests_go_in_time(&mut self) {
        let is_over = |until: &mut Instant| *until <= Instant::now();
        if self.holds_until.take_if(is_over).is_some() {
            self.port.set_awaited(false);
        }
    }

    /// When to look after it.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let next_try = self.opening.as_ref().map(|opening| opening.next);
        next_try.into_iter().chain(self.holds_until).min()
    }

    /// Tries it from now on, for so long at least; lanes that hold guests' packets back do so meanwhile.
    pub(super) fn begin_to_open(&mut self, patience: Duration) {
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
    pub(super) fn go_on_opening(&mut self) -> Option<UplinkOpened> {
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
