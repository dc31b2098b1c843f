//! Windows of one length, with a promote in them or with nothing.

use super::error::{Error, Result};
use super::operator::Operator;
use super::order::{Kind, interleaved};
use super::progress;
use crate::emulator::{Gap, Nanos, Running, Window, now};
use serde::Serialize;
use std::thread;
use std::time::Duration;
use vswsup::control::protocol::PromoteReport;

/// Length of a window.
pub(super) const WINDOW: Nanos = 50_000_000;
/// From the start of a window to the promote.
const LEAD: Nanos = 10_000_000;
/// What a window that its promote outran is extended by, and what lies between two windows: more
/// than a gap of a usual size, which must not reach into the next one.
const REST: Nanos = 10_000_000;
/// How long a switch that was just promoted may take to have a spare again.
const SPARE: Duration = Duration::from_secs(20);
/// A stall of the instrument above this makes a window void: its rings no longer hold what flows.
pub(super) const STALL_LIMIT: Duration = Duration::from_millis(90);
/// Void windows, for each window asked for, after which the machine is too busy to measure.
const VOID_SHARE: usize = 1;
const VOID_MOST: usize = 10;
const TELL_EVERY: usize = 50;

/// What one window showed. Times are µs from its start.
#[derive(Debug, Clone, Serialize)]
pub struct WindowReport {
    /// The promote in it; `None` in a quiet one.
    pub promote: Option<Promote>,
    /// The longest of [`Self::gaps`].
    pub blackout_us: f64,
    /// The longest gap of each flow.
    pub gaps: Vec<Span>,
    /// The longest time that the instrument itself did not run.
    pub stall: Span,
    /// Length; longer than the others if the promote outran it.
    pub length_us: f64,
}

/// From when to when, µs.
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
    /// When it was asked for, and how long the answer took.
    pub call: Span,
    /// Its outcome, as the supervisor reports it.
    pub report: PromoteReport,
    /// From the old lanes' last burst to the new lanes' first.
    pub freeze_us: f64,
}

/// All windows of one kind of measurement.
#[derive(Debug, Default)]
pub(super) struct Windows {
    pub(super) kept: Vec<WindowReport>,
    /// Measured, and measured again.
    pub(super) void: usize,
}

impl Windows {
    /// Measures `pairs` windows of each kind and counts those that say nothing.
    pub(super) fn measure(
        running: &Running,
        operator: &Operator,
        pairs: usize,
        seed: u64,
    ) -> Result<Self> {
        let mut windows = Self::default();
        for kind in interleaved(pairs, seed) {
            windows.add(running, operator, kind, pairs)?;
            if windows.kept.len() % TELL_EVERY == 0 {
                progress(&format!("{} of {} windows", windows.kept.len(), 2 * pairs));
            }
        }
        Ok(windows)
    }

    /// Repeats a window until it is not void.
    fn add(
        &mut self,
        running: &Running,
        operator: &Operator,
        kind: Kind,
        pairs: usize,
    ) -> Result<()> {
        while self.void <= VOID_MOST.max(VOID_SHARE * pairs) {
            let window = observe(running, operator, kind)?;
            if window.stall.length_us <= us(STALL_LIMIT.as_nanos() as Nanos) {
                self.kept.push(window);
                return Ok(());
            }
            self.void += 1;
        }
        Err(Error::TooManyVoid {
            void: self.void,
            limit: STALL_LIMIT,
        })
    }

    /// Blackouts of the windows with a promote, µs.
    pub(super) fn blackouts(&self) -> Vec<f64> {
        self.promoted()
            .map(|(window, _)| window.blackout_us)
            .collect()
    }

    /// Longest gaps of the windows without, µs.
    pub(super) fn noise(&self) -> Vec<f64> {
        self.quiet().map(|window| window.blackout_us).collect()
    }

    /// Freezes, µs.
    pub(super) fn freezes(&self) -> Vec<f64> {
        self.promoted()
            .map(|(_, promote)| promote.freeze_us)
            .collect()
    }

    /// Windows with their promote.
    pub(super) fn promoted(&self) -> impl Iterator<Item = (&WindowReport, &Promote)> {
        self.kept
            .iter()
            .filter_map(|window| Some((window, window.promote.as_ref()?)))
    }

    /// Windows without.
    pub(super) fn quiet(&self) -> impl Iterator<Item = &WindowReport> {
        self.kept.iter().filter(|window| window.promote.is_none())
    }
}

/// One window. Both kinds do the same but for the promote.
fn observe(running: &Running, operator: &Operator, kind: Kind) -> Result<WindowReport> {
    operator.wait_for_spare(SPARE)?;
    sleep_until(now() + REST);
    let from = now();
    sleep_until(from + LEAD);
    let promote = match kind {
        Kind::Promote => Some(promote(operator, from)?),
        Kind::Quiet => None,
    };
    let until = (from + WINDOW).max(now() + if promote.is_some() { REST } else { 0 });
    sleep_until(until + REST);
    report(running, Window::new(from, until), promote)
}

fn promote(operator: &Operator, from: Nanos) -> Result<Promote> {
    let asked = now();
    let report = operator.promote()?;
    let call = span(from, asked, now());
    let freeze_us = report
        .freeze_us
        .ok_or(Error::Empty("the freeze of a promote"))?;
    Ok(Promote {
        call,
        report,
        freeze_us,
    })
}

fn report(running: &Running, window: Window, promote: Option<Promote>) -> Result<WindowReport> {
    let of_window = |gap: Gap| span(window.from, gap.from, gap.until);
    let gaps = running
        .flows()
        .iter()
        .map(|flow| flow.blackout(window).map(of_window));
    let gaps: Vec<Span> = gaps.collect::<std::result::Result<_, _>>()?;
    let blackout_us = gaps.iter().map(|gap| gap.length_us).fold(0.0, f64::max);
    Ok(WindowReport {
        promote,
        blackout_us,
        gaps,
        stall: of_window(running.stalls().longest(window)),
        length_us: us(window.length()),
    })
}

fn span(origin: Nanos, from: Nanos, until: Nanos) -> Span {
    Span {
        from_us: (from as f64 - origin as f64) / 1e3,
        length_us: us(until.saturating_sub(from)),
    }
}

pub(super) fn us(nanos: Nanos) -> f64 {
    nanos as f64 / 1e3
}

pub(super) fn sleep_until(time: Nanos) {
    thread::sleep(Duration::from_nanos(time.saturating_sub(now())));
}
