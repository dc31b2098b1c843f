//! What to measure.

use clap::Parser;
use std::path::PathBuf;

/// Measures how long no packet passes when the switch is replaced where there is one device only: by a
/// plain restart, by a fast one on memory files, and by a warm one.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench-restart", version)]
pub struct Options {
    /// Runs of each of the three. [default: 11, with --quick 1, with --vf 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: Option<u32>,
    /// DPDK's memory of one instance, MiB; the machine needs twice as much. [default: 4096, with --quick
    /// 128, with --vf 768]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1_048_576))]
    pub memory: Option<u64>,
    /// The device, such as a VF's PCI address, instead of one made of veth
    #[arg(long, value_name = "DEVICE", requires = "wire")]
    pub uplink: Option<String>,
    /// The network device that reaches it
    #[arg(long, value_name = "NETDEV", requires = "uplink")]
    pub wire: Option<String>,
    /// In a `nic-machine`: one VF of its NIC is the device
    #[arg(long, conflicts_with_all = ["uplink", "rig"])]
    pub vf: bool,
    /// The same in a `nic-machine` afterwards, on one VF: in the same result
    #[arg(long)]
    pub rig: bool,
    /// There, runs of each of the three. [default: 5]
    #[arg(long, requires = "rig", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rig_runs: Option<u32>,
    /// There, DPDK's memory of one instance, MiB; the machine has 2,560 in all. [default: 768]
    #[arg(long, requires = "rig", value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1024))]
    pub rig_memory: Option<u64>,
    /// Only whether it works: few runs, and figures that mean little.
    #[arg(long)]
    pub quick: bool,
    /// Where the result goes, as JSON; the picture goes beside it.
    #[arg(long, default_value = "target/bench/restart.json")]
    pub output: PathBuf,
}

impl Options {
    pub(super) fn picture(&self) -> PathBuf {
        self.output.with_extension("svg")
    }
}
