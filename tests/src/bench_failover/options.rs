//! What to measure.

use super::Cause;
use clap::Parser;
use std::path::PathBuf;
use vswsup::config::Failover;

/// Measures deaths of the active instance under traffic, with quiet windows and plain restarts of the
/// same switch beside them.
///
/// Needs root; changes /proc/sys/kernel/core_pattern while it runs.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench-failover", version)]
pub struct Options {
    /// Deaths of each cause, with each number of devices. [default: 200, with --quick 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: Option<u32>,
    /// Kill + restart without a standby, with each number of devices. [default: 20, with --quick 1]
    #[arg(long)]
    pub restarts: Option<u32>,
    /// Decides the order.
    #[arg(long, default_value_t = 2018)]
    pub seed: u64,
    /// Only whether it works: few deaths, little memory, and figures that mean little.
    #[arg(long)]
    pub quick: bool,
    /// Where the result goes, as JSON.
    #[arg(long, default_value = "target/bench/failover.json")]
    pub output: PathBuf,
}

impl Options {
    pub(super) fn runs(&self) -> usize {
        self.runs.unwrap_or(if self.quick { 3 } else { 200 }) as usize
    }

    pub(super) fn restarts(&self) -> usize {
        self.restarts.unwrap_or(if self.quick { 1 } else { 20 }) as usize
    }

    /// For how long a lane must stand still to count as hanging, µs: not part of a hang's blackout.
    pub(super) fn detection_us(&self) -> u64 {
        let limit = Failover::default().lane_hang;
        limit.map_or(0, |limit| limit.as_micros() as u64)
    }

    pub(super) fn devices(&self) -> &'static [usize] {
        if self.quick { &[1, 4] } else { &[1, 64] }
    }

    /// Bytes of the busy guest.
    pub(super) fn memory(&self) -> usize {
        if self.quick { 256 << 20 } else { 4 << 30 }
    }

    /// What happens in random order.
    pub(super) fn causes(&self) -> &'static [Cause] {
        &[
            Cause::Quiet,
            Cause::Sigkill,
            Cause::SigsegvCore,
            Cause::Hang,
        ]
    }
}
