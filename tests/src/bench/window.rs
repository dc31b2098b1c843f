//! One window: a stretch of steady traffic in which one thing happens, or none.

use super::error::{Error, Result};
use super::order::Kind;
use super::stage::Stage;
use crate::emulator::{Gap, Nanos, Window, now};
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};
use vswsup::control::protocol::PromoteReport;

/// Length of a window.
pub(super) const WINDOW: Nanos = 50_000_000;
/// From the start of a window to the promote.
const LEAD: Nanos = 10_000_000;
/// What lies between two windows, and what a promote that outran its window has after it.
const REST: Nanos = 10_000_000;
/// How long the instrument may take to go on at the end of a window.
const SENDS_AGAIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What one window showed. Times are µs from its start.
#[derive(Debug, Clone, Serialize)]
pub struct WindowReport {
    /// The promote in it; `None` in a quiet one.
    pub promote: Option<Promote>,
    /// The longest of [`Self::gaps`].
    pub blackout_us: f64,
    /// The longest gap of each flow.
    pub gaps: Vec<Span>,
    /// The longest time that the instrument itself did not run, of length 0 below 100 µs.
    pub stall: Span,
    /// Length; more than that of the others if the promote outran it.
    pub length_us: f64,
}

/// From when and how long, µs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Span {
    /// Begin.
    pub from_us: f64,
    /// Length.
    pub length_us: f64,
}

/// A promote in a window.
#[derive(Debug, Clone, Serialize)]
pub struct Promote {
    /// From the request to the answer, as the one who asked sees it.
    pub call: Span,
    /// From the old lanes' last burst to the new lanes' first.
    pub freeze_us: f64,
    /// All that the supervisor tells of it.
    pub report: PromoteReport,
}

/// One window. Both kinds do the same but for the promote.
pub(super) fn observe(stage: &Stage, kind: Kind) -> Result<WindowReport> {
    stage.wait_for_spare()?;
    sleep_until(now() + REST);
    let from = now();
    sleep_until(from + LEAD);
    let (promote, least) = match kind {
        Kind::Promote => (Some(promote(stage, from)?), now() + REST),
        Kind::Quiet => (None, from),
    };
    let window = Window::new(from, least.max(from + WINDOW));
    sleep_until(window.until + REST);
    wait_for_instrument(stage, window.until);
    report(stage, window, promote)
}

fn promote(stage: &Stage, from: Nanos) -> Result<Promote> {
    let asked = now();
    let report = stage.operator().promote(false)?;
    let call = Span::new(from, asked, now());
    let freeze_us = report
        .freeze_us
        .ok_or(Error::Empty("the freeze of a promote"))?;
    Ok(Promote {
        call,
        freeze_us,
        report,
    })
}

/// Waits until every flow has sent after `since`: an instrument that stands still at the end of a
/// window has not told of its last gap yet. One that stands still for longer than this makes the
/// batch void anyway.
fn wait_for_instrument(stage: &Stage, since: Nanos) {
    let until = Instant::now() + SENDS_AGAIN;
    let mut flows = stage.running().flows().iter();
    while flows.any(|flow| flow.arrivals.duration().until <= since) && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
        flows = stage.running().flows().iter();
    }
}

fn report(stage: &Stage, window: Window, promote: Option<Promote>) -> Result<WindowReport> {
    let running = stage.running();
    let of_window = |gap: Gap| Span::new(window.from, gap.from, gap.until);
    let gaps = running
        .flows()
        .iter()
        .map(|flow| Ok(of_window(flow.blackout(window)?)));
    let gaps: Vec<Span> = gaps.collect::<Result<_>>()?;
    let stall = running.stalls().longest(window);
    Ok(WindowReport {
        promote,
        blackout_us: gaps.iter().map(|gap| gap.length_us).fold(0.0, f64::max),
        gaps,
        stall: if stall.length() > 0 {
            of_window(stall)
        } else {
            Span::NONE
        },
        length_us: us(window.length()),
    })
}

impl Span {
    const NONE: Self = Self {
        from_us: 0.0,
        length_us: 0.0,
    };

    fn new(origin: Nanos, from: Nanos, until: Nanos) -> Self {
        Self {
            from_us: (from as f64 - origin as f64) / 1e3,
            length_us: us(until.saturating_sub(from)),
        }
    }
}

/// Microseconds.
pub(super) fn us(nanos: Nanos) -> f64 {
    nanos as f64 / 1e3
}

fn sleep_until(time: Nanos) {
    thread::sleep(Duration::from_nanos(time.saturating_sub(now())));
}
