//! What the measurements of one run of the demo gave, in their order.

use super::counts::Counts;

/// The three flows, as people and JSON call them.
pub(super) const FLOWS: [FlowName; 3] = [
    FlowName {
        key: "vm-to-vm",
        title: "VM to VM",
    },
    FlowName {
        key: "uplink-to-vm",
        title: "uplink to VM",
    },
    FlowName {
        key: "vm-to-uplink",
        title: "VM to uplink",
    },
];

/// The names of one flow.
#[derive(Debug)]
pub(super) struct FlowName {
    /// In JSON.
    pub(super) key: &'static str,
    /// For people.
    pub(super) title: &'static str,
}

/// What is done to a system under traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The standby becomes the active one.
    Promote,
    /// The same the old way: connections are closed and made again.
    Reconnect,
    /// The supervisor and with it all instances end and are started again.
    Restart,
}

impl Move {
    /// Whether guests have to connect again.
    pub(super) fn disconnects(self) -> bool {
        match self {
            Self::Promote => false,
            Self::Reconnect | Self::Restart => true,
        }
    }
}

/// One move, measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// In the order of [`FLOWS`].
    pub(super) flows: Vec<FlowMeasured>,
    /// From the old lanes' last burst to the new lanes' first, µs, if the supervisor tells.
    pub(super) freeze_us: Option<f64>,
    /// Longest time that the instrument itself did not run in the blackout's window, µs.
    pub(super) stall_us: f64,
    /// vhost-user connections that were made again.
    pub(super) reconnects: u64,
    /// Its picture.
    pub(super) trace: Trace,
}

impl Measured {
    /// The longest blackout of its flows, µs.
    pub(super) fn blackout_us(&self) -> f64 {
        self.longest(|flow| flow.blackout_us)
    }

    /// The longest gap of its flows without a move, µs.
    pub(super) fn noise_us(&self) -> f64 {
        self.longest(|flow| flow.noise_us)
    }

    fn longest(&self, gap: fn(&FlowMeasured) -> f64) -> f64 {
        self.flows.iter().map(gap).fold(0.0, f64::max)
    }
}

/// One flow of a measured move.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowMeasured {
    pub(super) counts: Counts,
    /// Longest gap around the move, µs.
    pub(super) blackout_us: f64,
    /// Longest gap of a window of the same length without a move, µs.
    pub(super) noise_us: f64,
}

/// Packets over time around a move. Times are µs from the request.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Begin of the first step; negative.
    pub(super) from_us: f64,
    /// Length of a step.
    pub(super) step_us: f64,
    /// When the move was done and every flow arrived again.
    pub(super) done_us: f64,
    /// In the order of [`FLOWS`].
    pub(super) flows: Vec<TracedFlow>,
}

/// Packets of one flow over time.
#[derive(Clone, Debug)]
pub(super) struct TracedFlow {
    /// Arrivals in each step.
    pub(super) packets: Vec<u32>,
    /// The blackout: from, until.
    pub(super) gap_us: (f64, f64),
}

/// All of a run.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) promotes: Vec<Measured>,
    pub(super) reconnect: Measured,
    pub(super) restart: Measured,
    /// Why measurements were void, one for each; they were repeated.
    pub(super) voids: Vec<String>,
}
