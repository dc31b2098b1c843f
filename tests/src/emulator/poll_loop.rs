//! The instrument's one thread: it polls every endpoint and sends what is due, and never blocks.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::clock::{self, Nanos};
use super::counters::Counter;
use super::endpoint::{Endpoint, Link};
use super::flow_state::FlowState;
use super::frame::{self, Arrival, Mac};
use super::stalls::Stalls;
use super::virtio_net::LONGEST_FRAME;

/// Most frames taken from one endpoint before the next has its turn.
const RECEIVE_BURST: usize = 64;
/// How long the loop spins on after the last frame; without traffic it rests, as a good neighbour.
const SPIN_ON: Nanos = 20_000_000;
/// How long it rests.
const REST: Duration = Duration::from_micros(200);
/// Bytes of an announcement in a buffer.
const ANNOUNCEMENT_SIZE: usize = 60;

/// What the controlling thread wants.
pub(crate) enum Command {
    AddStation(Station),
    AddFlow(Box<FlowState>),
    /// Takes the endpoint at this place out and stops the flows that it sends.
    Remove(usize, Sender<Station>),
    Probe,
    StartFlows,
    StopFlows,
    Quit,
}

/// An endpoint at its place in the loop. Places are never used twice.
pub(crate) struct Station {
    pub(crate) mac: Mac,
    pub(crate) endpoint: Box<dyn Endpoint>,
    pub(crate) foreign: Arc<Counter>,
}

impl Station {
    pub(crate) fn new(mac: Mac, endpoint: Box<dyn Endpoint>) -> Self {
        Self {
            mac,
            endpoint,
            foreign: Arc::default(),
        }
    }

    pub(crate) fn link(&self) -> Arc<Link> {
        self.endpoint.link()
    }

    fn announce_new_link(&mut self, now: Nanos) {
        if self.endpoint.adopt_link() {
            let mut frame = [0; ANNOUNCEMENT_SIZE];
            frame::write_announcement(&mut frame, self.mac, now);
            self.endpoint.send(&frame);
        }
    }
}

/// The state of the polling thread.
pub(crate) struct PollLoop {
    commands: Receiver<Command>,
    stalls: Arc<Stalls>,
    stations: Vec<Option<Station>>,
    /// Places of the endpoints that have flows; all others are polled in turn, one at a time.
    busy: Vec<usize>,
    next_idle: usize,
    flows: Vec<FlowState>,
    /// When a frame of a flow was sent or received last.
    active: Nanos,
    /// How long it spins on after the last frame.
    spin_on: Nanos,
    buffer: [u8; LONGEST_FRAME],
}

impl PollLoop {
    /// One that rests after each turn if it is `restful`, and otherwise only without traffic.
    pub(crate) fn new(commands: Receiver<Command>, stalls: Arc<Stalls>, restful: bool) -> Self {
        Self {
            commands,
            stalls,
            stations: vec![],
            busy: vec![],
            next_idle: 0,
            flows: vec![],
            active: clock::now(),
            spin_on: if restful { 0 } else { SPIN_ON },
            buffer: [0; LONGEST_FRAME],
        }
    }

    /// Polls until told to quit, or until nobody is left to tell.
    pub(crate) fn run(mut self) {
        let mut last = clock::now();
        while self.obey() {
            let now = clock::now();
            self.stalls.note(last, now);
            self.turn(now);
            last = self.rest_if_idle(now);
        }
    }

    /// Rests when there is nothing to measure, or always. Returns the time from which a stall counts.
    fn rest_if_idle(&mut self, now: Nanos) -> Nanos {
        if self.flows.iter().any(FlowState::is_sending) {
            self.active = now;
        }
        if now.saturating_sub(self.active) < self.spin_on {
            return now;
        }
        thread::sleep(REST);
        clock::now()
    }

    fn turn(&mut self, now: Nanos) {
        for place in 0..self.busy.len() {
            self.receive_from(self.busy[place], now);
        }
        self.poll_one_idle(now);
        for flow in &mut self.flows {
            if let Some(station) = &mut self.stations[flow.from] {
                flow.send_due(station.endpoint.as_mut(), now);
            }
        }
        for place in &self.busy {
            if let Some(station) = &mut self.stations[*place] {
                station.endpoint.flush();
            }
        }
    }

    fn poll_one_idle(&mut self, now: Nanos) {
        if self.stations.len() > self.busy.len() {
            self.next_idle = (self.next_idle + 1) % self.stations.len();
            if !self.busy.contains(&self.next_idle) {
                self.receive_from(self.next_idle, now);
                if let Some(station) = &mut self.stations[self.next_idle] {
                    station.endpoint.flush();
                }
            }
        }
    }

    fn receive_from(&mut self, place: usize, now: Nanos) {
        let Some(station) = &mut self.stations[place] else {
            return;
        };
        station.announce_new_link(now);
        for _ in 0..RECEIVE_BURST {
            let Some(length) = station.endpoint.receive(&mut self.buffer) else {
                break;
            };
            let now = clock::now();
            self.active = now;
            match frame::read(&self.buffer[..length]) {
                Arrival::Whole(content) => match self.flows.get_mut(usize::from(content.flow)) {
                    Some(flow) => flow.arrived(place, content, now),
                    None => station.foreign.add(1),
                },
                Arrival::Corrupted(flow) => match self.flows.get_mut(usize::from(flow)) {
                    Some(flow) => flow.arrived_corrupted(),
                    None => station.foreign.add(1),
                },
                Arrival::Announcement => {}
                Arrival::Foreign => station.foreign.add(1),
            }
        }
    }

    /// Carries out what was asked for. Returns false at the end.
    fn obey(&mut self) -> bool {
        use std::sync::mpsc::TryRecvError::{Disconnected, Empty};
        loop {
            match self.commands.try_recv() {
                Ok(Command::Quit) | Err(Disconnected) => return false,
                Ok(command) => self.obey_one(command),
                Err(Empty) => return true,
            }
        }
    }

    fn obey_one(&mut self, command: Command) {
        match command {
            Command::AddStation(station) => self.stations.push(Some(station)),
            Command::AddFlow(flow) => self.add_flow(*flow),
            Command::Remove(place, taken) => self.remove(place, &taken),
            Command::Probe => self.flows.iter_mut().for_each(FlowState::probe),
            Command::StartFlows => {
                let now = clock::now();
                self.flows.iter_mut().for_each(|flow| flow.start(now));
            }
            Command::StopFlows => self.flows.iter_mut().for_each(FlowState::stop),
            Command::Quit => {}
        }
    }

    fn add_flow(&mut self, flow: FlowState) {
        for place in [flow.from, flow.to] {
            if !self.busy.contains(&place) {
                self.busy.push(place);
            }
        }
        self.flows.push(flow);
    }

    fn remove(&mut self, place: usize, taken: &Sender<Station>) {
        self.flows
            .iter_mut()
            .filter(|flow| flow.from == place)
            .for_each(FlowState::stop);
        if let Some(station) = self.stations[place].take() {
            // Sent away, because to unmap its memory here would stall the loop.
            let _ = taken.send(station);
        }
    }
}
