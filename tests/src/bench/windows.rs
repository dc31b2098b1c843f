//! Windows of one length, with a promote in them or with nothing, in batches.
//!
//! The flows start with a batch and stop with it, and every frame of it is accounted for. A batch in
//! which the instrument itself failed, anywhere, is void: it is counted, told, and measured again.

use super::error::{Error, Result};
use super::order::{Kind, interleaved};
use super::progress;
use super::stage::Stage;
use super::toll::Toll;
use super::window::{WindowReport, observe};
use crate::emulator::{Window, now};

/// Pairs of windows of a batch: under two seconds.
const PAIRS: usize = 10;

/// All windows of one measurement.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// In the order of time.
    pub(super) kept: Vec<WindowReport>,
    /// What was counted around them.
    pub(super) toll: Toll,
    /// Batches measured again, and why.
    pub(super) void: Vec<Void>,
}

/// A batch that says nothing.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Void {
    /// What the instrument did wrong.
    pub reason: String,
    /// Frames that were lost in it.
    pub lost: u64,
}

impl Windows {
    /// Measures `pairs` windows of each kind.
    pub(super) fn measure(stage: &Stage, pairs: usize, seed: u64) -> Result<Self> {
        let order: Vec<Kind> = interleaved(pairs, seed).collect();
        let mut windows = Self::default();
        for batch in order.chunks(2 * PAIRS) {
            windows.add(stage, batch, Void::limit(pairs))?;
            progress(&format!(
                "{} of {} windows",
                windows.kept.len(),
                order.len()
            ));
        }
        Ok(windows)
    }

    /// Adds the windows of another measurement of the same kind.
    pub(super) fn extend(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.toll.add(&other.toll);
        self.void.extend(other.void);
    }

    /// Repeats a batch until it is not void.
    fn add(&mut self, stage: &Stage, batch: &[Kind], limit: usize) -> Result<()> {
        loop {
            let (windows, toll, void) = measure_batch(stage, batch)?;
            let Some(reason) = void else {
                self.kept.extend(windows);
                self.toll.add(&toll);
                return Ok(());
            };
            progress(&format!("void, repeated: {reason}"));
            let lost = toll.total().lost;
            self.void.push(Void { reason, lost });
            Void::check(self.void.len(), limit)?;
        }
    }

    /// Blackouts of the windows with a promote, µs.
    pub(super) fn blackouts(&self) -> Vec<f64> {
        self.promoted().map(|window| window.blackout_us).collect()
    }

    /// Longest gaps of the windows without, µs.
    pub(super) fn noise(&self) -> Vec<f64> {
        self.quiet().map(|window| window.blackout_us).collect()
    }

    /// Freezes, µs.
    pub(super) fn freezes(&self) -> Vec<f64> {
        self.kept
            .iter()
            .filter_map(|window| Some(window.promote.as_ref()?.freeze_us))
            .collect()
    }

    /// From request to outcome, µs.
    pub(super) fn totals(&self) -> Vec<f64> {
        let total = |window: &WindowReport| Some(window.promote.as_ref()?.report.total_us as f64);
        self.kept.iter().filter_map(total).collect()
    }

    /// Windows with a promote.
    pub(super) fn promoted(&self) -> impl Iterator<Item = &WindowReport> {
        self.kept.iter().filter(|window| window.promote.is_some())
    }

    /// Windows without.
    pub(super) fn quiet(&self) -> impl Iterator<Item = &WindowReport> {
        self.kept.iter().filter(|window| window.promote.is_none())
    }
}

impl Void {
    /// How many there may be among so many measurements before the machine is too busy for any.
    pub(crate) fn limit(runs: usize) -> usize {
        10 + runs / 10
    }

    /// # Errors
    /// [`Error::TooManyVoid`].
    pub(crate) fn check(void: usize, limit: usize) -> Result<()> {
        if void > limit {
            Err(Error::TooManyVoid(void))
        } else {
            Ok(())
        }
    }
}

/// The windows, what was counted, and why all of it is void, if so.
fn measure_batch(
    stage: &Stage,
    batch: &[Kind],
) -> Result<(Vec<WindowReport>, Toll, Option<String>)> {
    let before = Toll::of(stage.running());
    let began = now();
    stage.start_flows()?;
    let windows = batch.iter().map(|kind| observe(stage, *kind));
    let windows = windows.collect::<Result<_>>()?;
    stage.running().stop_flows()?;
    let toll = Toll::of(stage.running()).since(&before);
    let void = stage.void(Window::new(began, now()), &toll);
    Ok((windows, toll, void))
}
