//! A system under three flows, and one move of it at a time.

mod round;

use super::error::{Error, Result};
use super::measured::{FLOWS, Move};
use super::options::Options;
use crate::emulator::{self, FlowSpec, FlowView, Instrument, Nanos, Plan, Running};
use crate::rig::{Operator, OperatorError, Rig, RigConfig};
use crate::terminal::Interrupt;
use std::time::Duration;

pub(super) use round::Attempt;

const GUESTS: [&str; 3] = ["vm1", "vm2", "vm3"];
const WIRE: &str = "wire";
/// Sender and receiver of each of [`FLOWS`].
const ENDS: [(&str, &str); 3] = [(GUESTS[0], GUESTS[1]), (WIRE, GUESTS[2]), (GUESTS[2], WIRE)];
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How late a frame may be, beyond the 300 ms of silence that the instrument waits for: a stalled instrument
/// is silent too.
const LATE: Duration = Duration::from_secs(2);
/// One turn of a wait that Ctrl-C can end.
const TURN: Duration = Duration::from_millis(200);
/// Arrivals that are kept, in seconds of the rate: a restart and the traffic around it.
const LOG_SECONDS: usize = 40;
/// Lines of the supervisor's log that an error quotes.
const LOG_LINES: usize = 20;

/// The guests end before the system does.
pub(super) struct Stage<'a> {
    interrupt: &'a Interrupt,
    rate: u32,
    running: Running,
    operator: Operator,
    rig: Rig,
}

impl<'a> Stage<'a> {
    /// Starts it, and waits until there is a spare and every guest is connected.
    pub(super) fn start(options: &Options, interrupt: &'a Interrupt) -> Result<Self> {
        let rig = Rig::start_without_waiting(&RigConfig::guests(GUESTS.len()))?;
        let running = Instrument::start(plan(&rig, options))?;
        let operator = rig.operator();
        let stage = Self {
            interrupt,
            rate: options.rate,
            running,
            operator,
            rig,
        };
        stage.wait_for_spare()?;
        stage.retry(|limit| stage.running.wait_for_links(limit))?;
        Ok(stage)
    }

    fn wait_for_spare(&self) -> Result<()> {
        self.wait("no spare", || self.operator.has_spare())
    }

    /// Waits until frames of every flow have arrived after `since`.
    fn wait_for_flows(&self, since: Nanos) -> Result<()> {
        let arrives = || {
            let flows = self.running.flows().iter();
            flows
                .into_iter()
                .all(|flow| flow.arrivals.last() > Some(since))
        };
        self.wait("not every flow arrives", arrives)
    }

    /// Stops the flows and waits until no more is sent and every frame has arrived. Those that have not by
    /// then are lost.
    fn stop_flows(&self) -> Result<()> {
        self.running.stop_flows()?;
        let mut before = None;
        let settled = || {
            let sent: Vec<u64> = self.counters(|flow| flow.counters.sent.get());
            let is_still = before.replace(sent.clone()) == Some(sent);
            is_still
                && self
                    .counters(FlowView::outstanding)
                    .iter()
                    .all(|frames| *frames == 0)
        };
        self.interrupt.wait_until(LATE, settled)?;
        Ok(())
    }

    fn counters(&self, of: fn(&FlowView) -> u64) -> Vec<u64> {
        self.running.flows().iter().map(of).collect()
    }

    /// Waits until every guest has connected once more than `before`.
    fn wait_for_reconnects(&self, before: u64) -> Result<()> {
        let more = GUESTS.len() as u64;
        self.wait("not every guest has connected again", || {
            self.reconnects() >= before + more
        })
    }

    /// Connections made again so far, all guests.
    fn reconnects(&self) -> u64 {
        let links = GUESTS
            .iter()
            .filter_map(|guest| self.running.link(guest).ok());
        links.map(|link| link.reconnects()).sum()
    }

    fn wait(&self, missing: &str, done: impl FnMut() -> bool) -> Result<()> {
        match self.interrupt.wait_until(PATIENCE, done)? {
            true => Ok(()),
            false => Err(Error::Late {
                what: missing.into(),
                limit: PATIENCE,
                log: self.log(),
            }),
        }
    }

    /// Tries something that waits itself, turn by turn, for as long as anything may take.
    fn retry(&self, mut turn: impl FnMut(Duration) -> emulator::Result<()>) -> Result<()> {
        let mut last = Ok(());
        let mut done = || {
            last = turn(TURN);
            last.is_ok()
        };
        match self.interrupt.wait_until(PATIENCE, &mut done)? {
            true => Ok(()),
            false => Ok(last?),
        }
    }

    fn asked<T>(&self, answer: std::result::Result<T, OperatorError>) -> Result<T> {
        answer.map_err(|error| Error::Operator {
            error,
            log: self.log(),
        })
    }

    /// The end of what the supervisor and the instances wrote.
    fn log(&self) -> String {
        let log = self.rig.supervisor().log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

fn plan(rig: &Rig, options: &Options) -> Plan {
    let mut plan = Plan::new()
        .log_capacity(options.rate as usize * LOG_SECONDS)
        .uplink(WIRE, rig.wire());
    for (number, name) in (1..).zip(GUESTS) {
        plan = plan.guest(name, rig.guest(number));
    }
    for (flow, (from, to)) in FLOWS.iter().zip(ENDS) {
        plan = plan.flow(FlowSpec::steady(
            flow.key,
            from,
            to,
            options.rate,
            options.frame_size,
        ));
    }
    plan
}
