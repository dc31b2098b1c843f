//! Asks both uplinks again and again whether they hear: a frame is sent through the NIC to one instance
//! alone, and whoever polls that instance's uplink notes in the ledger that it came.

use super::super::act::side;
use super::super::{Daemon, Due};
use super::hearing::{Signs, Verdict};
use super::pair::Pair;
use crate::Config;
use crate::policy::Health;
use nix::errno::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;
use std::time::{Duration, Instant};
use steering::{Sender, Way};
use vhost_transfer::probe::{ETHERTYPE, Probe};
use vhost_transfer::{InstanceId, Role};

/// Between two looks at one that has to prove itself: it is no spare before.
const SOON: Duration = Duration::from_millis(20);

/// What is wrong with one that hears; see [`Pair::is_contradicted`].
const CONTRADICTED: &str = "it was deaf when it was active, and so is the other one now: probes may \
                            not reach whoever is active";

/// Why nobody is asked where a backend usually knows a way.
const NO_WAY: &str = "the PF does not know its VF's address: set it (`ip link set PF vf N mac ...`), or \
                      steering.address";

/// The probes of both.
#[derive(Debug)]
pub(super) struct Probes {
    /// Or why nobody is asked.
    asking: Result<Asking, String>,
    pair: Pair,
    of: [Sent; 2],
    /// When both are asked again.
    next: Instant,
}

#[derive(Debug)]
struct Asking {
    sender: Sender,
    every: Duration,
    /// So many in a row that are not heard make an uplink a deaf one.
    limit: u32,
}

/// What was sent to one.
#[derive(Debug, Default)]
struct Sent {
    packets: u64,
    /// By which network device.
    by: String,
    /// Why nothing could be sent the last time.
    trouble: Option<String>,
}

impl Probes {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            asking: Asking::new(config),
            pair: Pair::default(),
            of: Default::default(),
            next: Instant::now(),
        }
    }

    /// A process of `id` starts, or is taken over.
    pub(super) fn begin(&mut self, id: InstanceId) {
        if self.asking.is_ok() {
            self.pair.begin(id);
        }
    }

    pub(super) fn health(&self, id: InstanceId) -> Health {
        match (self.pair.verdict(id), &self.asking) {
            (Verdict::Unasked | Verdict::Hears, _) | (_, Err(_)) => Health::Well,
            (Verdict::Unproven, Ok(_)) => Health::Unproven,
            (Verdict::Deaf, Ok(_)) if self.pair.is_contradicted(id) => {
                Health::Deaf(CONTRADICTED.to_owned())
            }
            (Verdict::Deaf, Ok(asking)) => Health::Deaf(format!(
                "{} probes in a row, sent by {}, did not arrive",
                asking.limit, self.of[id as usize].by
            )),
        }
    }

    /// Why nobody would find out that the uplink of `id` is deaf.
    pub(super) fn no_proof(&self, id: InstanceId) -> Option<&str> {
        const DOES_NOT_LOOK: &str = "its program does not look for probes";
        let asking = self.asking.as_ref();
        let off = asking.err().map(String::as_str);
        let unasked = self.pair.verdict(id) == Verdict::Unasked;
        off.or(self.of[id as usize].trouble.as_deref())
            .or(unasked.then_some(DOES_NOT_LOOK))
    }

    /// Probes that were sent to `id` so far.
    pub(super) fn sent(&self, id: InstanceId) -> u64 {
        self.of[id as usize].packets
    }

    fn verdicts(&self) -> [Verdict; 2] {
        InstanceId::BOTH.map(|id| self.pair.verdict(id))
    }

    /// Until there is something to do. `None`: never.
    fn pause(&self, now: Instant) -> Option<Duration> {
        self.asking.as_ref().ok()?;
        let pause = self.next.saturating_duration_since(now);
        let someone_waits = self.pair.waits_for_proof();
        Some(if someone_waits {
            pause.min(SOON)
        } else {
            pause
        })
    }

    /// Whether both are to be asked now, which is once in each turn.
    fn take_turn(&mut self, now: Instant) -> bool {
        let Ok(asking) = &self.asking else {
            return false;
        };
        let is_due = self.next <= now;
        if is_due {
            self.next = now + asking.every;
        }
        is_due
    }

    /// The NIC's port, behind which both are, is down or has no carrier, which says nothing about either
    /// instance.
    fn are_interrupted(&self, ways: &[Option<Way>; 2]) -> bool {
        match (&self.asking, &ways[0]) {
            (Ok(asking), Some(way)) => are_shared(ways) && !asking.sender.has_carrier(&way.netdev),
            (Ok(_), None) | (Err(_), _) => false,
        }
    }

    /// `id` cannot be asked, for this reason.
    fn give_up(&mut self, id: InstanceId, reason: String) {
        self.of[id as usize].trouble = Some(reason);
        self.pair.of(id).cannot_be_asked();
    }

    fn listen(&mut self, signs: &[Option<Signs>; 2], is_end: bool) {
        if let Ok(asking) = &self.asking {
            self.pair.listen(signs, is_end, asking.limit);
        }
    }
}

impl Asking {
    fn new(config: &Config) -> Result<Self, String> {
        let every = config.probe()?;
        let uplink = config.uplink.as_ref().ok_or("there is no uplink")?;
        let sender = Sender::open();
        let sender = sender.map_err(|error| format!("probes want CAP_NET_RAW: {error}"))?;
        Ok(Self {
            sender,
            every,
            limit: uplink.deaf_after,
        })
    }

    fn send(&self, way: &Way, token: u64) -> io::Result<()> {
        let payload = Probe { token }.payload();
        self.sender.send(way, ETHERTYPE, &payload)
    }
}

impl Daemon {
    /// As soon as there is something to do.
    pub(super) fn start_to_probe(&mut self) {
        let now = Instant::now();
        if let Some(pause) = self.uplinks.probes.pause(now) {
            self.timers.start(Due::Probes, now, pause);
        }
    }

    /// Somebody polls its uplink from now on.
    pub(in super::super) fn probe_soon(&mut self) {
        if self.uplinks.probes.asking.is_ok() {
            self.timers
                .start(Due::Probes, Instant::now(), Duration::ZERO);
        }
    }

    /// Not while the traffic moves: then packets are counted.
    pub(in super::super) fn probe_uplinks(&mut self) {
        let before = self.uplinks.probes.verdicts();
        let is_turn = self.uplinks.probes.take_turn(Instant::now());
        if self.policy.handover().is_none() {
            self.listen_and_ask(is_turn);
        }
        if self.uplinks.probes.verdicts() != before {
            self.look_at_uplinks();
        }
        self.start_to_probe();
    }

    /// Sees what has become of the probes before, and sends the next, in between only to whom none was
    /// sent.
    fn listen_and_ask(&mut self, is_turn: bool) {
        let ways = InstanceId::BOTH.map(|id| self.steering.way(side(id)));
        if self.uplinks.probes.are_interrupted(&ways) {
            return self.uplinks.probes.pair.rest();
        }
        if let Some(active) = self.policy.active() {
            self.uplinks.probes.pair.serves(active);
        }
        let signs = InstanceId::BOTH.map(|id| self.signs_of_hearing(id));
        self.uplinks.probes.listen(&signs, is_turn);
        let shared = are_shared(&ways);
        for ((id, way), signs) in InstanceId::BOTH.into_iter().zip(&ways).zip(&signs) {
            let is_new = self.uplinks.probes.pair.of(id).is_new();
            match (way, signs) {
                (Some(way), Some(signs)) if is_turn || is_new => {
                    self.probe(id, way, shared, signs);
                }
                (None, Some(_)) if self.policy.steering().on().is_some() => {
                    self.uplinks.probes.give_up(id, NO_WAY.to_owned());
                }
                (Some(_), Some(_)) | (None, Some(_)) | (_, None) => {}
            }
        }
    }

    /// `None`: nobody polls the uplink of `id` now.
    fn signs_of_hearing(&self, id: InstanceId) -> Option<Signs> {
        let slot = self.ledger.instance(id);
        let round = match self.policy.instance(id).life.role()? {
            Role::Active => self.ledger.lane(0).heartbeat(),
            Role::Standby => slot.heartbeat(),
        };
        Some(Signs {
            heard: slot.heard(),
            received: slot.received(),
            round,
        })
    }

    fn probe(&mut self, id: InstanceId, way: &Way, shared: bool, signs: &Signs) {
        let Probes {
            asking, pair, of, ..
        } = &mut self.uplinks.probes;
        let (hearing, sent) = (pair.of(id), &mut of[id as usize]);
        let Ok(asking) = asking else { return };
        let Ok(token) = hearing.pending().map_or_else(random, Ok) else {
            return;
        };
        let token = self.ledger.instance(id).ask(token);
        sent.by.clone_from(&way.netdev);
        sent.trouble = None;
        match asking.send(way, token) {
            Ok(()) => {
                sent.packets += 1;
                hearing.asked(token, signs);
            }
            Err(error) if is_severed(&error) && shared => hearing.rest(),
            // Nothing arrives by a device that leads to this one, and does not work.
            Err(error) if is_severed(&error) => hearing.asked(token, signs),
            Err(error) => {
                let trouble = format!("{} sends no probes: {error}", way.netdev);
                self.uplinks.probes.give_up(id, trouble);
            }
        }
    }
}

fn random() -> rustix::io::Result<u64> {
    let mut bytes = [0; 8];
    let got = getrandom(&mut bytes, GetRandomFlags::NONBLOCK)?;
    match got == bytes.len() {
        true => Ok(u64::from_ne_bytes(bytes)),
        false => Err(rustix::io::Errno::AGAIN),
    }
}

/// Both are behind one device of the host, which is the NIC's port.
fn are_shared([a, b]: &[Option<Way>; 2]) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a.netdev == b.netdev)
}

/// The device takes nothing: it is not there, is down, or drops what it is given.
fn is_severed(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    let severed = [Errno::ENETDOWN, Errno::ENXIO, Errno::ENODEV, Errno::ENOBUFS];
    errno.is_some_and(|errno| severed.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(netdev: &str) -> Option<Way> {
        Some(Way {
            netdev: netdev.to_owned(),
            destination: [2; 6],
            vlan: None,
        })
    }

    #[test]
    fn a_port_that_both_are_behind_is_no_device_of_one() {
        assert!(are_shared(&[way("nic0"), way("nic0")]));
        assert!(!are_shared(&[way("tap0"), way("tap1")]));
        assert!(!are_shared(&[way("nic0"), None]));
        assert!(!are_shared(&[None, None]));
    }

    #[test]
    fn a_device_that_is_down_or_gone_is_no_lack_of_privileges() {
        for (errno, severed) in [
            (Errno::ENETDOWN, true),
            (Errno::ENODEV, true),
            (Errno::EPERM, false),
            (Errno::ENOBUFS, true),
        ] {
            assert_eq!(is_severed(&errno.into()), severed, "{errno}");
        }
    }
}
