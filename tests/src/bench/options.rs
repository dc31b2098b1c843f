//! What to measure.

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

/// Measures promotes under traffic: blackout and freeze, with windows in which nothing happens and
/// plain restarts of the same vswitch beside them.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench-promote", version)]
pub struct Options {
    /// Promotes, and as many windows without one. [default: 200, with --quick 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: Option<u32>,
    /// Decides the order of windows with and without a promote.
    #[arg(long, default_value_t = 2018)]
    pub seed: u64,
    /// Only whether it works: few promotes, and figures that mean little.
    #[arg(long)]
    pub quick: bool,
    /// Where the result goes, as JSON.
    #[arg(long, default_value = "target/bench/promote.json")]
    pub output: PathBuf,
}

impl Options {
    /// Promotes.
    pub(super) fn runs(&self) -> usize {
        let runs = self.runs.unwrap_or(if self.quick { 5 } else { 200 });
        runs as usize
    }

    /// Plain restarts.
    pub(super) fn restarts(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }

    /// How long the idle standby is watched.
    pub(super) fn idle(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 10 })
    }

    /// Numbers of devices, in the order in which they are measured: there and back, so that a
    /// drift of the machine meets all of them alike.
    pub(super) fn devices(&self) -> &'static [usize] {
        if self.quick {
            &[1, 4]
        } else {
            &[1, 16, 64, 255, 255, 64, 16, 1]
        }
    }

    /// Promotes for each of [`Self::devices`].
    pub(super) fn runs_by_devices(&self) -> usize {
        if self.quick { 2 } else { 25 }
    }
}
