//! The event loop and what it holds.

use super::ControlError;
use super::fault;
use super::handover::Stance;
use super::host::Host;
use super::orphan::Guardian;
use super::signals::Signals;
use super::startup::Started;
use super::uplink::UplinkDevice;
use crate::dpdk::Eal;
use crate::lane::LaneEvent;
use crate::memory;
use crate::port::{Source, VhostPort};
use crate::program::say;
use crate::switch::FLUSH_LIMIT;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::fd::AsRawFd;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use vhost_transfer::lifeline::{LifelineError, Received};
use vhost_transfer::message::{Fatal, FirstPacket, FromInstance};
use vhost_transfer::{InstanceId, Lifeline, PortId, Term};

/// Tokens of the loop itself; those from port 1 on are the ports'.
pub(super) mod tokens {
    use mio::Token;

    pub(in super::super) const LIFELINE: Token = Token(0);
    pub(in super::super) const LANES: Token = Token(1);
}

const EVENTS: usize = 256;
/// The control thread goes round at least so often, so that it is known to live.
const BEAT_EVERY: Duration = Duration::from_millis(100);

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Leave,
}

/// One instance, alive.
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) host: Host,
    pub(super) ports: BTreeMap<PortId, VhostPort>,
    pub(super) stance: Stance,
    /// The last term of its lanes.
    pub(super) let_go_in: Option<Term>,
    /// The supervisor waits for the word that the lanes rest.
    pub(super) stands_down: bool,
    pub(super) guardian: Guardian,
    pub(super) signals: Signals,
    pub(super) poll: Poll,
    pub(super) uplink: Option<UplinkDevice>,
    events: Receiver<LaneEvent>,
    tells_of_packets: bool,
    _eal: Eal,
}

impl Instance {
    pub(super) fn new(started: Started) -> Result<Self, ControlError> {
        let Started {
            lifeline,
            poll,
            setup,
            lanes,
            events,
            uplink,
            _eal,
        } = started;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(
            &mut SourceFd(&lifeline.as_raw_fd()),
            tokens::LIFELINE,
            interest,
        )?;
        let host = Host::new(lifeline, lanes);
        Ok(Self {
            id: setup.instance,
            host,
            ports: BTreeMap::new(),
            stance: Stance::Warm,
            let_go_in: None,
            stands_down: false,
            guardian: Guardian::present(setup.rejoin_at),
            signals: Signals::default(),
            poll,
            uplink,
            events,
            tells_of_packets: setup.first_packet.unwrap_or(false),
            _eal,
        })
    }

    /// Runs until told to leave.
    pub(super) fn run(&mut self) -> Result<(), ControlError> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.go_round(&mut events) {
                Ok(Next::GoOn) => {}
                Ok(Next::Leave) => break,
                Err(ControlError::Lifeline(_)) if self.outlives_supervisor() => {
                    self.lose_supervisor();
                }
                Err(error) => return Err(error),
            }
        }
        self.leave();
        Ok(())
    }

    /// What came with the setup is readable already, and mio tells only of what is new: so orders
    /// come before waiting.
    fn go_round(&mut self, events: &mut Events) -> Result<Next, ControlError> {
        if self.obey()? == Next::Leave {
            return Ok(Next::Leave);
        }
        self.host.beat();
        self.check_host()?;
        self.wait(events)?;
        for event in &*events {
            match event.token() {
                tokens::LIFELINE => self.host.flush()?,
                tokens::LANES => {}
                token => {
                    if let Some((port, _)) = Source::of(token) {
                        self.port_is_ready(port);
                    }
                }
            }
        }
        let at_rest = self.host.lanes.are_at_rest();
        self.hear_lanes()?;
        self.stood_down_when(at_rest);
        if memory::take_news() {
            self.close_lost_devices();
        }
        self.tick();
        self.settle_handover();
        self.discard_strays();
        self.signal_some();
        fault::at_tick(self);
        self.prepared_when_filled();
        self.go_on_with_uplink();
        self.look_for_supervisor();
        Ok(Next::GoOn)
    }

    /// Tells the supervisor why this instance leaves.
    pub(super) fn last_words(&mut self, error: &ControlError) {
        if let Some(lifeline) = &mut self.host.lifeline {
            say_fatal(lifeline, error);
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), ControlError> {
        let ports = self.ports.values().filter_map(VhostPort::next_deadline);
        let looks = self
            .next_look()
            .into_iter()
            .chain(self.guardian.next_look())
            .chain(self.next_look_at_uplink())
            .chain(self.signals.next());
        let deadline = ports.chain(looks).min();
        let limit = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let limit = limit.map_or(BEAT_EVERY, |limit| limit.min(BEAT_EVERY));
        match self.poll.poll(events, Some(limit)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Does all that the supervisor has asked for.
    fn obey(&mut self) -> Result<Next, ControlError> {
        while let Some(Received { message, fds }) = self.host.receive()? {
            if self.handle(message, fds) == Next::Leave {
                return Ok(Next::Leave);
            }
        }
        Ok(Next::GoOn)
    }

    fn hear_lanes(&mut self) -> Result<(), ControlError> {
        while let Ok(event) = self.events.try_recv() {
            match event {
                LaneEvent::Began(tenure) => self.lanes_began(tenure),
                LaneEvent::Released { term, drained } => self.lanes_released(term, drained),
                LaneEvent::FirstPacket { term, after_ns } => self.first_packet(term, after_ns),
                LaneEvent::Unsent => say(format_args!(
                    "vswitch: the uplink has not sent everything in {FLUSH_LIMIT:?}: what is still \
                     queued in it may be overtaken"
                )),
                // Looked for when all have been heard.
                LaneEvent::Rests => {}
                LaneEvent::MemoryLost => self.close_lost_devices(),
                LaneEvent::Failed(what) => return Err(ControlError::LaneFailed(what)),
            }
        }
        Ok(())
    }

    /// It is told only to who has asked for it.
    fn first_packet(&mut self, term: Term, after_ns: u64) {
        if self.tells_of_packets {
            let after_us = after_ns / 1000;
            let first = FirstPacket { term, after_us };
            self.host.say(FromInstance::FirstPacket(first));
        }
    }

    fn check_host(&mut self) -> Result<(), ControlError> {
        self.host
            .take_error()
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// Closes the device. DPDK's own end would only give memory back piece by piece, and somebody may
    /// wait for the end of this process.
    pub(super) fn leave_the_rest_to_the_kernel(mut self) {
        self.close_device();
        std::mem::forget(self);
    }

    /// The connections live on in the vault and in the other instance.
    fn leave(&mut self) {
        self.serve_ports(false);
        self.host.lanes.stop();
    }
}

/// Says why this instance cannot go on. When even that fails, the supervisor sees it leave.
pub(super) fn say_fatal(lifeline: &mut Lifeline, error: &impl Display) {
    let fatal = FromInstance::Fatal(Fatal {
        reason: error.to_string(),
    });
    let _: Result<(), LifelineError> = lifeline.send(&fatal, &[]);
}
