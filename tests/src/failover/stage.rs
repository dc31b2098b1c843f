//! Two guests and an uplink, three flows between them, and processes to be killed.

use super::pair::strike;
use super::{Error, FlowObserved, Observed, Pair, Result, Tally, tail};
use crate::emulator::{
    EndpointReport, FlowSpec, GuestSpec, Instrument, Nanos, Plan, Running, UplinkSpec, Window, now,
};
use crate::rig::{Operator, Rig, RigConfig};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

const RING: u16 = 16_384;
const WIRE_SIZE: u16 = 64;
/// From the death of both instances to the first burst of the next, at most.
const LONG_START: Duration = Duration::from_millis(1100);
const LOOK_EVERY: Duration = Duration::from_millis(2);
const WIRE: &str = "wire";

/// How much flows, and who watches it.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Frames a second of each flow.
    pub rate: u32,
    /// The instrument rests now and then instead of having a CPU of its own.
    pub restful: bool,
    /// How long anything may take on a busy machine.
    pub patience: Duration,
}

impl Traffic {
    /// When both instances die the gap is a start-up, and the rings of guests and uplink hold 1.6 s of
    /// it.
    pub const USUAL: Self = Self {
        rate: 10_000,
        restful: false,
        patience: Duration::from_secs(60),
    };
    /// For a machine whose CPUs are emulated.
    pub const EMULATED: Self = Self {
        rate: 1000,
        restful: true,
        patience: Duration::from_secs(300),
    };

    /// What the rings hold less a long start-up: an instrument that stands still for longer may
    /// overflow.
    fn stall_limit(self) -> Duration {
        Duration::from_secs_f64(f64::from(RING) / f64::from(self.rate)).saturating_sub(LONG_START)
    }

    fn plan(self) -> Plan {
        match self.restful {
            true => Plan::new().restful(),
            false => Plan::new(),
        }
    }

    fn steady(self, flow: usize, from: &str, to: &str) -> FlowSpec {
        FlowSpec::steady(FLOWS[flow].0, from, to, self.rate, WIRE_SIZE)
    }
}

/// Where the frames of a flow come from, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From one guest's ring into another's.
    Guests,
    /// From the NIC.
    FromUplink,
    /// From a guest's ring to the NIC.
    ToUplink,
}

/// The flows by name and path.
pub const FLOWS: [(&str, Path); 3] = [
    ("VM to VM", Path::Guests),
    ("uplink to VM", Path::FromUplink),
    ("VM to uplink", Path::ToUplink),
];

/// A running system under traffic. The guests and the instrument end before it does.
pub struct Stage {
    traffic: Traffic,
    running: Running,
    counted: Counted,
    operator: Operator,
    rig: Rig,
}

/// What had been counted at some time.
struct Counted {
    at: Nanos,
    tallies: Vec<Tally>,
    /// Connections closed.
    disconnects: u64,
    /// Frames for which the instrument's own rings had no room.
    overflowed: u64,
}

impl Counted {
    fn now(running: &Running) -> Self {
        let tallies = Tally::of(running);
        let endpoints = running.report().endpoints;
        let sum = |count: fn(&EndpointReport) -> u64| endpoints.iter().map(count).sum();
        Self {
            at: now(),
            tallies,
            disconnects: sum(|end| end.disconnects),
            overflowed: sum(|end| end.overflowed),
        }
    }
}

impl Stage {
    /// Starts it and its flows. The calling thread moves into the system's network namespace, if that has
    /// its own. What is `more` in `config` may begin with further keys of `[failover]`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(config: RigConfig, traffic: Traffic) -> Result<Self> {
        let more = RigConfig::DEATHS_ARE_USUAL.to_owned() + &config.more;
        let rig = Rig::start_without_waiting(&RigConfig {
            ports: 2,
            more,
            ..config
        })?;
        rig.supervisor().wait_for_spare(traffic.patience)?;
        let plan = traffic
            .plan()
            .guest("vm1", deep(rig.guest(1)))
            .guest("vm2", deep(rig.guest(2)))
            .uplink(
                WIRE,
                UplinkSpec {
                    ring_size: 2 * u32::from(RING),
                    ..rig.wire()
                },
            )
            .flow(traffic.steady(0, "vm1", "vm2"))
            .flow(traffic.steady(1, WIRE, "vm1"))
            .flow(traffic.steady(2, "vm2", WIRE));
        let running = Instrument::start(plan)?;
        running.wait_for_links(traffic.patience)?;
        running.start_flows(traffic.patience)?;
        let operator = rig.operator();
        let mut stage = Self {
            traffic,
            counted: Counted::now(&running),
            running,
            operator,
            rig,
        };
        stage.wait_until_whole(&[])?;
        stage.counted = Counted::now(&stage.running);
        Ok(stage)
    }

    /// Speaks to the supervisor.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The system.
    pub fn rig_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }

    /// What supervisor and instances have said.
    pub fn log(&self) -> String {
        self.rig.supervisor().log()
    }

    /// Who is what now, if there are an active instance and a spare.
    pub fn pair(&self) -> Option<Pair> {
        Pair::of(&self.operator.status().ok()?)
    }

    /// Waits for an active instance and a spare, none of them of the processes in `gone`.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    pub fn wait_until_whole(&self, gone: &[Pid]) -> Result<Pair> {
        self.find("active instance with a spare", |stage| {
            Ok(stage.pair().filter(|pair| pair.is_without(gone)))
        })
    }

    /// Waits until it `is_so`; the error names what is `missing`.
    ///
    /// # Errors
    /// [`Error::Stuck`], and those of `is_so`.
    pub fn wait_for(
        &self,
        missing: &str,
        mut is_so: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        self.find(missing, |stage| Ok(is_so(stage)?.then_some(())))
    }

    fn find<T>(
        &self,
        missing: &str,
        mut look: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let until = Instant::now() + self.traffic.patience;
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if Instant::now() > until {
                return Err(self.stuck(missing));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Lets `act` kill processes, which it names, and waits until the system is whole without them and
    /// every flow has gone on.
    ///
    /// What is counted is all since the start, or since the last observation: between two nothing may
    /// happen unseen.
    ///
    /// # Errors
    /// [`Error::Stuck`] when that does not happen, and the errors of `act`.
    pub fn observe(
        &mut self,
        act: impl FnOnce(&mut Self, Pair) -> Result<Vec<Pid>>,
    ) -> Result<Observed> {
        let pair = self.wait_until_whole(&[])?;
        let from = now();
        let gone = act(self, pair)?;
        let after = self.wait_until_whole(&gone)?;
        self.wait_for_flows()?;
        let window = Window::new(from, now());
        let counted = Counted::now(&self.running);
        let before = mem::replace(&mut self.counted, counted);
        let flows = (0..FLOWS.len()).map(|place| {
            let tally = self.counted.tallies[place] - before.tallies[place];
            self.flow(place, tally, window)
        });
        Ok(Observed {
            flows: flows.collect::<Result<_>>()?,
            rate: self.traffic.rate,
            disconnects: self.counted.disconnects - before.disconnects,
            window,
            terms: after.term.saturating_sub(pair.term),
            stall: self.running.stalls().longest(window).length(),
            void: self.void_since(&before),
        })
    }

    /// Kills `process` by `signal`; one that has ended meanwhile is as good as killed.
    ///
    /// # Errors
    /// Those of kill(2).
    pub fn kill(&self, process: Pid, signal: Signal) -> Result<()> {
        Ok(strike(process, signal)?)
    }

    fn flow(&self, place: usize, tally: Tally, window: Window) -> Result<FlowObserved> {
        let view = &self.running.flows()[place];
        let arrivals = &view.arrivals;
        let mut flow = FlowObserved {
            tally,
            twice: view.twins.span(window),
            ..FlowObserved::default()
        };
        arrivals.for_each_gap(window, |gap| {
            flow.blackout = flow.blackout.max(gap.length());
            if gap.length() > FlowObserved::pause(self.traffic.rate) {
                flow.outage += gap.length();
                if flow.back == 0 {
                    flow.back = gap.until.saturating_sub(window.from);
                }
            }
        })?;
        Ok(flow)
    }

    fn wait_for_flows(&self) -> Result<()> {
        let since = now();
        let mut flows = self.running.flows().iter();
        flows.try_for_each(|flow| {
            let missing = format!("frame of {}", flow.spec.name);
            self.wait_for(&missing, |_| Ok(flow.arrivals.last() > Some(since)))
        })
    }

    fn void_since(&self, before: &Counted) -> Option<String> {
        let window = Window::new(before.at, self.counted.at);
        let stall = self.running.stalls().longest(window).length();
        if u128::from(stall) > self.traffic.stall_limit().as_nanos() {
            let ms = stall / 1_000_000;
            return Some(format!("the instrument stalled for {ms} ms"));
        }
        let overflowed = self.counted.overflowed - before.overflowed;
        (overflowed > 0).then(|| format!("the instrument's rings overflowed by {overflowed}"))
    }

    fn stuck(&self, missing: &str) -> Error {
        Error::Stuck {
            missing: format!("no {missing}"),
            limit: self.traffic.patience,
            log: tail(&self.log()),
        }
    }
}

fn deep(guest: GuestSpec) -> GuestSpec {
    GuestSpec {
        rx_ring: RING,
        tx_ring: RING,
        ..guest
    }
}
