//! What to measure.

use crate::rig::OneDevice;
use clap::Parser;
use std::path::PathBuf;

/// Measures how long no packet passes when the switch is replaced where there is one device only: by a
/// plain restart, by a fast one on memory files, and by a warm one.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench-restart", version)]
pub struct Options {
    /// Runs of each of the three. [default: 11, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: Option<u32>,
    /// DPDK's memory of one instance, MiB; the machine needs twice as much. [default: 4096, with --quick
    /// 128]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1_048_576))]
    pub memory: Option<u64>,
    /// The device, such as a VF's PCI address, instead of one made of veth
    #[arg(long, value_name = "DEVICE", requires = "wire")]
    pub uplink: Option<String>,
    /// The network device that reaches it
    #[arg(long, value_name = "NETDEV", requires = "uplink")]
    pub wire: Option<String>,
    /// Only whether it works: few runs, and figures that mean little.
    #[arg(long)]
    pub quick: bool,
    /// Where the result goes, as JSON; the picture goes beside it.
    #[arg(long, default_value = "target/bench/restart.json")]
    pub output: PathBuf,
}

impl Options {
    pub(super) fn runs(&self) -> usize {
        let runs = self.runs.unwrap_or(if self.quick { 1 } else { 11 });
        runs as usize
    }

    /// MiB of one instance.
    pub(super) fn memory(&self) -> u64 {
        self.memory.unwrap_or(if self.quick { 128 } else { 4096 })
    }

    pub(super) fn device(&self) -> OneDevice {
        match (self.uplink.clone(), self.wire.clone()) {
            (Some(device), Some(wire)) => OneDevice::Real { device, wire },
            (_, _) => OneDevice::Software,
        }
    }

    /// What the result calls the device.
    pub(super) fn device_name(&self) -> String {
        let software = || "net_af_packet".to_owned();
        self.uplink.clone().unwrap_or_else(software)
    }

    pub(super) fn picture(&self) -> PathBuf {
        self.output.with_extension("svg")
    }
}
