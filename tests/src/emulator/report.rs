//! What a run showed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::arrivals::Gap;
use super::clock::{Nanos, Window};
use super::endpoint::LinkEvent;
use super::error::Result;
use super::flow_state::FlowView;
use super::stalls::Stalls;

/// What happened to one flow. `sent` is `received + lost`; what was refused or skipped was never sent.
#[derive(Clone, Debug)]
pub struct FlowReport {
    /// Name of the flow.
    pub name: String,
    /// Frames handed over to be sent.
    pub sent: u64,
    /// Frames that arrived, each counted once.
    pub received: u64,
    /// Frames sent that did not arrive.
    pub lost: u64,
    /// Arrivals of a frame that had arrived before.
    pub doubled: u64,
    /// First arrivals after a frame that was sent later.
    pub reordered: u64,
    /// Arrivals of a changed frame.
    pub corrupted: u64,
    /// Frames that the sender's own full ring, or a link that was down, did not take: not lost.
    pub refused: u64,
    /// Frames that the instrument did not send because it was late itself.
    pub skipped: u64,
    /// Arrivals at an endpoint that the frame is not for.
    pub strayed: u64,
    /// Connections of the flow's two ends closed by the other side.
    pub disconnects: u64,
    /// Connections of the flow's two ends made again.
    pub reconnects: u64,
    /// Longest time from sending to arrival, in nanoseconds.
    pub longest_latency: Nanos,
    /// The flow itself, for questions about any window.
    pub view: FlowView,
}

impl FlowReport {
    pub(crate) fn new(view: FlowView) -> Self {
        let (counters, links) = (&view.counters, view.links());
        let received = counters.received.get();
        let sent = counters.sent.get().max(received);
        Self {
            name: view.spec.name.clone(),
            sent,
            received,
            lost: sent - received,
            doubled: counters.doubled.get(),
            reordered: counters.reordered.get(),
            corrupted: counters.corrupted.get(),
            refused: counters.refused.get(),
            skipped: counters.skipped.get(),
            strayed: counters.strayed.get(),
            disconnects: links.iter().map(|link| link.disconnects()).sum(),
            reconnects: links.iter().map(|link| link.reconnects()).sum(),
            longest_latency: counters.longest_latency.get(),
            view,
        }
    }

    /// The longest gap between consecutive arrivals that overlaps `window`.
    ///
    /// # Errors
    /// When the window reaches back further than the log of arrivals.
    pub fn blackout(&self, window: Window) -> Result<Gap> {
        self.view.blackout(window)
    }

    /// Whether every frame arrived once, whole and in order.
    pub fn is_exact(&self) -> bool {
        self.lost + self.doubled + self.reordered + self.corrupted == 0
    }
}

impl fmt::Display for FlowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: sent {} received {} lost {} doubled {} reordered {} corrupted {} refused {} skipped {} \
             strayed {} disconnects {} reconnects {}",
            self.name,
            self.sent,
            self.received,
            self.lost,
            self.doubled,
            self.reordered,
            self.corrupted,
            self.refused,
            self.skipped,
            self.strayed,
            self.disconnects,
            self.reconnects
        )
    }
}

/// What happened to one endpoint.
#[derive(Clone, Debug)]
pub struct EndpointReport {
    /// Name of the endpoint.
    pub name: String,
    /// Virtio features in use; 0 for an endpoint without.
    pub features: u64,
    /// Connections closed by the other side.
    pub disconnects: u64,
    /// Connections made again.
    pub reconnects: u64,
    /// Frames for which the instrument's own receive ring had no room.
    pub overflowed: u64,
    /// Frames that the switch never took out of the transmit ring. They count as lost.
    pub untaken: u64,
    /// Frames that are not of this instrument.
    pub foreign: u64,
    /// What is wrong with the link or a ring, if it does not work.
    pub fault: Option<String>,
    /// Every change of the link.
    pub events: Vec<LinkEvent>,
}

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each flow, in the order of the plan.
    pub flows: Vec<FlowReport>,
    /// One for each endpoint, removed ones too.
    pub endpoints: Vec<EndpointReport>,
    /// When the instrument itself did not run.
    pub stalls: Arc<Stalls>,
    /// The stall above which a run is void.
    pub stall_limit: Duration,
    /// Start of the run.
    pub began: Nanos,
    /// End of the run.
    pub ended: Nanos,
}

impl Report {
    /// The flow of this name.
    pub fn flow(&self, name: &str) -> Option<&FlowReport> {
        self.flows.iter().find(|flow| flow.name == name)
    }

    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointReport> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// From the first frame that any flow sent to the last one; empty if none did.
    pub fn measured(&self) -> Window {
        let durations = self.flows.iter().map(|flow| flow.view.arrivals.duration());
        let begun = durations.filter(|duration| duration.from > 0);
        let all = begun
            .reduce(|one, other| Window::new(one.from.min(other.from), one.until.max(other.until)));
        all.unwrap_or(Window::new(0, 0))
    }

    /// Why this run says nothing about the switch, if so: while flows sent, the instrument stalled for too
    /// long, or its own rings overflowed. Such a run is to be counted and repeated.
    pub fn void(&self) -> Option<String> {
        let stall = self.stalls.longest(self.measured());
        if u128::from(stall.length()) > self.stall_limit.as_nanos() {
            return Some(format!(
                "the instrument stalled for {} ms",
                stall.length() / 1_000_000
            ));
        }
        let overflowed = self
            .endpoints
            .iter()
            .find(|endpoint| endpoint.overflowed > 0)?;
        Some(format!(
            "{}: its ring overflowed by {}",
            overflowed.name, overflowed.overflowed
        ))
    }
}
