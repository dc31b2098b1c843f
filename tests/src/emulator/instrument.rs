//! The instrument as a controlling thread sees it: started with a plan, watched, changed, and stopped.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::clock::{self, Nanos};
use super::connector::Connector;
use super::counters::Counter;
use super::endpoint::{Endpoint, Link};
use super::error::{Error, Result, system};
use super::flow::FlowSpec;
use super::flow_state::{FlowState, FlowView};
use super::frame::{Mac, WIRE_SIZES};
use super::guest::{Device, Guest, GuestSpec};
use super::plan::{EndpointPlan, Plan};
use super::poll_loop::{Command, PollLoop, Station};
use super::process;
use super::report::{EndpointReport, FlowReport, Report};
use super::stalls::Stalls;
use super::uplink::Uplink;

/// Silence after which what has not arrived is lost.
const QUIET: Duration = Duration::from_millis(300);
/// How long the switch may take to empty the transmit rings.
const TAKE_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at what the polling thread does.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// An endpoint as the controlling thread knows it.
struct Known {
    name: String,
    mac: Mac,
    link: Arc<Link>,
    foreign: Arc<Counter>,
    device: Option<Arc<Device>>,
    removed: bool,
}

/// A started instrument. Dropping it stops everything without a report.
pub struct Running {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
    connector: Connector,
    stalls: Arc<Stalls>,
    stall_limit: Duration,
    log_capacity: usize,
    endpoints: Vec<Known>,
    flows: Vec<FlowView>,
    began: Nanos,
}

/// Starts measurements.
pub struct Instrument;

impl Instrument {
    /// Starts the polling thread and begins to connect the endpoints. No flow sends yet.
    pub fn start(plan: Plan) -> Result<Running> {
        process::allow_many_descriptors()?;
        let (commands, receiver) = channel();
        let stalls = Arc::<Stalls>::default();
        let poll_loop = PollLoop::new(receiver, stalls.clone(), plan.restful);
        let connector = Connector::start()?;
        let mut running = Running {
            commands,
            thread: Some(spawn(poll_loop, plan.cpu, plan.realtime)?),
            connector,
            stalls,
            stall_limit: plan.stall_limit,
            log_capacity: plan.log_capacity,
            endpoints: vec![],
            flows: vec![],
            began: clock::now(),
        };
        for (name, endpoint) in plan.endpoints {
            running.add_planned(&name, endpoint)?;
        }
        plan.flows
            .into_iter()
            .try_for_each(|flow| running.add_flow(flow))?;
        Ok(running)
    }
}

impl Running {
    /// Adds a guest and begins to connect it.
    pub fn add_guest(&mut self, name: &str, spec: &GuestSpec) -> Result<()> {
        let guest = Guest::new(spec)?;
        let device = guest.device();
        self.connector.attach(device.clone())?;
        self.add_station(name, Box::new(guest), Some(device))
    }

    /// Adds an endpoint of the caller's own.
    pub fn add_endpoint(&mut self, name: &str, endpoint: Box<dyn Endpoint>) -> Result<()> {
        self.add_station(name, endpoint, None)
    }

    /// Removes an endpoint. A guest's rings are stopped and its connection closed; returned is where
    /// they stood, receive and transmit, as GET_VRING_BASE tells.
    pub fn remove(&mut self, name: &str) -> Result<Option<[u32; 2]>> {
        let place = self.place(name)?;
        let (taken, station) = channel();
        self.command(Command::Remove(place, taken))?;
        drop(station.recv());
        let known = &mut self.endpoints[place];
        known.removed = true;
        let device = known.device.take();
        device
            .map(|device| self.connector.detach(device))
            .transpose()
    }

    /// Adds a flow; it sends after the next [`Running::start_flows`].
    pub fn add_flow(&mut self, spec: FlowSpec) -> Result<()> {
        if !WIRE_SIZES.contains(&spec.wire_size) {
            return Err(Error::Plan(format!(
                "{}: frames of {} bytes",
                spec.name, spec.wire_size
            )));
        }
        let [from, to] = [self.place(&spec.from)?, self.place(&spec.to)?];
        let number = self.flows.len() as u16;
        let links = [from, to].map(|place| self.endpoints[place].link.clone());
        let view = FlowView::new(spec, self.log_capacity, links);
        let end = |place: usize| (place, self.endpoints[place].mac);
        let state = FlowState::new(view.clone(), number, end(from), end(to));
        self.flows.push(view);
        self.command(Command::AddFlow(Box::new(state)))
    }

    /// Waits until every endpoint's link is up.
    ///
    /// # Errors
    /// [`Error::LinksDown`] with the last error of each that is not.
    pub fn wait_for_links(&self, limit: Duration) -> Result<()> {
        let up = || {
            self.endpoints
                .iter()
                .all(|one| one.removed || one.link.is_up())
        };
        match wait_until(limit, up) {
            true => Ok(()),
            false => Err(Error::LinksDown {
                limit,
                links: self.links_down(),
            }),
        }
    }

    /// Sends probes until every flow's path is open, then starts every flow that does not send yet.
    ///
    /// # Errors
    /// [`Error::LinksDown`] with the flows whose probes do not arrive; no flow is started then.
    pub fn start_flows(&self, limit: Duration) -> Result<()> {
        self.command(Command::Probe)?;
        if wait_until(limit, || self.flows.iter().all(FlowView::is_ready)) {
            return self.command(Command::StartFlows);
        }
        self.command(Command::StopFlows)?;
        let closed = self.flows.iter().filter(|flow| !flow.is_ready());
        let links = closed.map(|flow| format!("{}: no probe arrives", flow.spec.name));
        Err(Error::LinksDown {
            limit,
            links: links.chain(self.links_down()).collect(),
        })
    }

    /// Stops every flow and waits: until the switch has taken every frame out of the transmit rings, for
    /// at most 5 s, then until nothing has arrived for 300 ms or nothing is outstanding.
    pub fn stop_flows(&self) -> Result<()> {
        self.command(Command::StopFlows)?;
        wait_until(TAKE_LIMIT, || self.endpoints.iter().all(Known::is_drained));
        let received = || {
            self.flows
                .iter()
                .map(|flow| flow.counters.received.get())
                .sum::<u64>()
        };
        let (mut before, mut since) = (received(), Instant::now());
        while since.elapsed() < QUIET && self.flows.iter().any(|flow| flow.outstanding() > 0) {
            thread::sleep(LOOK_EVERY);
            let now = received();
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Stops everything and reports.
    pub fn stop(mut self) -> Result<Report> {
        self.stop_flows()?;
        let report = self.report();
        self.command(Command::Quit)?;
        self.join();
        Ok(report)
    }

    /// The flows, live, in the order in which they were added.
    pub fn flows(&self) -> &[FlowView] {
        &self.flows
    }

    /// The stalls of the instrument, live.
    pub fn stalls(&self) -> &Stalls {
        &self.stalls
    }

    /// The link of an endpoint, live.
    pub fn link(&self, name: &str) -> Result<Arc<Link>> {
        Ok(self.endpoints[self.place(name)?].link.clone())
    }

    /// Cuts off the file behind a guest's memory, as a hostile front end may at any time. The guest
    /// is of no use any more.
    pub fn take_memory_away(&self, name: &str) -> Result<()> {
        self.device(name)?.memory.take_away()
    }

    /// Takes and resets a guest's count of interrupts: receive and transmit.
    pub fn take_calls(&self, name: &str) -> Result<[u64; 2]> {
        let rings = &self.device(name)?.rings;
        Ok([0, 1].map(|ring| rings[ring].call.read().unwrap_or(0)))
    }

    /// What is known now. Frames in flight look lost; [`Running::stop`] waits for them.
    pub fn report(&self) -> Report {
        Report {
            flows: self.flows.iter().cloned().map(FlowReport::new).collect(),
            endpoints: self.endpoints.iter().map(Known::report).collect(),
            stalls: self.stalls.clone(),
            stall_limit: self.stall_limit,
            began: self.began,
            ended: clock::now(),
        }
    }

    fn add_planned(&mut self, name: &str, endpoint: EndpointPlan) -> Result<()> {
        match endpoint {
            EndpointPlan::Guest(spec) => self.add_guest(name, &spec),
            EndpointPlan::Uplink(spec) => self.add_endpoint(name, Box::new(Uplink::open(&spec)?)),
            EndpointPlan::Own(endpoint) => self.add_endpoint(name, endpoint),
        }
    }

    fn add_station(
        &mut self,
        name: &str,
        endpoint: Box<dyn Endpoint>,
        device: Option<Arc<Device>>,
    ) -> Result<()> {
        if self.place(name).is_ok() {
            return Err(Error::Plan(format!("two endpoints are called {name}")));
        }
        let station = Station::new(Mac::of_endpoint(self.endpoints.len() as u16), endpoint);
        let (mac, link, foreign) = (station.mac, station.link(), station.foreign.clone());
        let name = name.to_owned();
        self.endpoints.push(Known {
            name,
            mac,
            link,
            foreign,
            device,
            removed: false,
        });
        self.command(Command::AddStation(station))
    }

    fn device(&self, name: &str) -> Result<&Device> {
        let device = &self.endpoints[self.place(name)?].device;
        device
            .as_deref()
            .ok_or_else(|| Error::Plan(format!("{name}: no guest")))
    }

    fn place(&self, name: &str) -> Result<usize> {
        let is_it = |known: &Known| known.name == name && !known.removed;
        let place = self.endpoints.iter().position(is_it);
        place.ok_or_else(|| Error::Plan(format!("no endpoint is called {name}")))
    }

    fn links_down(&self) -> Vec<String> {
        let down = self
            .endpoints
            .iter()
            .filter(|one| !one.removed && !one.link.is_up());
        let reason = |one: &Known| one.link.fault().unwrap_or("nobody connected".into());
        down.map(|one| format!("{}: {}", one.name, reason(one)))
            .collect()
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands
            .send(command)
            .map_err(|_| Error::InstrumentGone)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.command(Command::Quit);
        self.join();
    }
}

impl Known {
    /// Whether nothing is left that the switch could still take out of the transmit ring.
    fn is_drained(&self) -> bool {
        self.removed || !self.link.is_up() || self.link.untaken() == 0
    }

    fn report(&self) -> EndpointReport {
        EndpointReport {
            name: self.name.clone(),
            features: self.link.features(),
            disconnects: self.link.disconnects(),
            reconnects: self.link.reconnects(),
            overflowed: self.link.overflowed(),
            untaken: self.link.untaken(),
            foreign: self.foreign.get(),
            fault: self
                .link
                .fault()
                .filter(|_| !self.link.is_up() || self.link.is_broken()),
            events: self.link.events(),
        }
    }
}

fn spawn(poll_loop: PollLoop, cpu: Option<usize>, realtime: bool) -> Result<JoinHandle<()>> {
    let (ready, started) = channel();
    let run = move || {
        let settled = process::settle(cpu, realtime);
        let go = settled.is_ok();
        let _ = ready.send(settled);
        if go {
            poll_loop.run();
        }
    };
    let thread = thread::Builder::new().name("emulator".into()).spawn(run);
    let thread = thread.map_err(system("start the instrument"))?;
    started.recv().map_err(|_| Error::InstrumentGone)??;
    Ok(thread)
}

fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}
