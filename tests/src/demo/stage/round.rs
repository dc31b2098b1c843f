//! One move under traffic, from the first frame to the account of the last.

use super::{Move, Stage};
use crate::demo::counts::Counts;
use crate::demo::error::Result;
use crate::demo::measured::{FlowMeasured, Measured, Trace, TracedFlow};
use crate::emulator::{FlowReport, Gap, Nanos, Report, Window, now};
use std::time::Duration;

/// Steady traffic before a move.
const LEAD: Duration = Duration::from_millis(150);
/// How long after a move a gap still is the move's doing.
const TAIL: Nanos = 10_000_000;
/// Steps of a picture, at most.
const STEPS: u64 = 240;
/// Frames of a flow in the shortest step: fewer would be noise to the eye.
const FRAMES_A_STEP: u64 = 5;

/// A measurement, or why it says nothing.
#[derive(Debug)]
pub(in crate::demo) enum Attempt {
    Valid(Measured),
    Void(String),
}

/// When a move was asked for and when it was done.
#[derive(Clone, Copy, Debug)]
struct Moved {
    asked: Nanos,
    done: Nanos,
    freeze_us: Option<f64>,
}

impl Moved {
    /// Where a gap is the move's blackout.
    fn window(&self) -> Window {
        Window::new(self.asked, self.done + TAIL)
    }
}

/// The same flows before and after, with nothing in flight, and what happened in between.
struct Round<'a> {
    before: &'a Report,
    after: &'a Report,
    moved: Moved,
    quiet: Window,
}

impl Stage<'_> {
    /// Starts the flows, moves, waits for the next spare, and stops them.
    pub(in crate::demo) fn measure(&mut self, kind: Move) -> Result<Attempt> {
        self.wait_for_spare()?;
        let before = self.running.report();
        self.retry(|limit| self.running.start_flows(limit))?;
        self.interrupt.sleep(LEAD)?;
        let moved = self.carry_out(kind)?;
        self.interrupt.sleep(Duration::from_nanos(TAIL))?;
        self.wait_for_spare()?;
        let quiet = self.do_nothing(moved.window().length())?;
        self.stop_flows()?;
        let after = self.running.report();
        let round = Round {
            before: &before,
            after: &after,
            moved,
            quiet,
        };
        round.account(self.shortest_step())
    }

    fn carry_out(&mut self, kind: Move) -> Result<Moved> {
        let (reconnects, asked) = (self.reconnects(), now());
        let freeze_us = match kind {
            Move::Promote => self.asked(self.operator.promote(false))?.freeze_us,
            Move::Reconnect => self.asked(self.operator.promote(true))?.freeze_us,
            Move::Restart => {
                self.rig.supervisor_mut().restart()?;
                None
            }
        };
        if kind.disconnects() {
            self.wait_for_reconnects(reconnects)?;
        }
        let answered = now();
        self.wait_for_flows(answered)?;
        let done = if kind.disconnects() { now() } else { answered };
        Ok(Moved {
            asked,
            done,
            freeze_us,
        })
    }

    fn do_nothing(&self, length: Nanos) -> Result<Window> {
        let from = now();
        self.interrupt.sleep(Duration::from_nanos(length))?;
        Ok(Window::new(from, from + length))
    }

    fn shortest_step(&self) -> Nanos {
        FRAMES_A_STEP * 1_000_000_000 / u64::from(self.rate)
    }
}

impl Round<'_> {
    fn account(&self, shortest_step: Nanos) -> Result<Attempt> {
        if let Some(reason) = self.void() {
            return Ok(Attempt::Void(reason));
        }
        let flows = self.before.flows.iter().zip(&self.after.flows);
        let flows = flows.map(|(before, after)| self.flow(before, after));
        Ok(Attempt::Valid(Measured {
            flows: flows.collect::<Result<_>>()?,
            freeze_us: self.moved.freeze_us,
            stall_us: us(self.after.stalls.longest(self.moved.window()).length()),
            reconnects: reconnects(self.after) - reconnects(self.before),
            trace: self.trace(shortest_step)?,
        }))
    }

    /// Why this says nothing about the switch, if so. What an earlier round made void does not count.
    fn void(&self) -> Option<String> {
        let window = Window::new(self.before.ended, self.after.ended);
        let stall = self.after.stalls.longest(window).length();
        if u128::from(stall) > self.after.stall_limit.as_nanos() {
            return Some(format!(
                "the instrument stalled for {} ms",
                stall / 1_000_000
            ));
        }
        let ends = self.before.endpoints.iter().zip(&self.after.endpoints);
        let mut overflows = ends.filter(|(before, after)| after.overflowed > before.overflowed);
        let (_, end) = overflows.next()?;
        Some(format!("the instrument's ring of {} overflowed", end.name))
    }

    fn flow(&self, before: &FlowReport, after: &FlowReport) -> Result<FlowMeasured> {
        Ok(FlowMeasured {
            counts: Counts::between(before, after),
            blackout_us: us(after.blackout(self.moved.window())?.length()),
            noise_us: us(after.blackout(self.quiet)?.length()),
        })
    }

    /// Packets from some time before the move to as long after it.
    fn trace(&self, shortest_step: Nanos) -> Result<Trace> {
        let Moved { asked, done, .. } = self.moved;
        let margin = ((done - asked) / 4).clamp(TAIL / 2, LEAD.as_nanos() as Nanos * 2 / 3);
        let window = Window::new(asked - margin, done + margin);
        let step = (window.length() / STEPS).max(shortest_step);
        let flows = self
            .after
            .flows
            .iter()
            .map(|flow| self.traced(flow, window, step));
        Ok(Trace {
            from_us: -us(margin),
            step_us: us(step),
            done_us: us(done - asked),
            flows: flows.collect::<Result<_>>()?,
        })
    }

    fn traced(&self, flow: &FlowReport, window: Window, step: Nanos) -> Result<TracedFlow> {
        let gap: Gap = flow.blackout(self.moved.window())?;
        let since = |time: Nanos| (time as f64 - self.moved.asked as f64) / 1e3;
        Ok(TracedFlow {
            packets: flow.view.arrivals.histogram(window, step)?,
            gap_us: (since(gap.from), since(gap.until)),
        })
    }
}

fn reconnects(report: &Report) -> u64 {
    report.endpoints.iter().map(|end| end.reconnects).sum()
}

fn us(nanos: Nanos) -> f64 {
    nanos as f64 / 1e3
}
