//! A flow while it runs: what the polling thread keeps of it, and what any thread may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arrivals::Arrivals;
use super::arrivals::Gap;
use super::clock::{Nanos, Window};
use super::counters::FlowCounters;
use super::endpoint::{Endpoint, Link};
use super::error::Result;
use super::flow::{Due, FlowSpec, Schedule};
use super::frame::{self, Content, Mac};
use super::recorder::Recorder;
use super::twins::Twins;

/// Time between two probes of a path.
const PROBE_EVERY: Nanos = 1_000_000;

/// A flow as any thread sees it, live.
#[derive(Clone, Debug)]
pub struct FlowView {
    /// What flows.
    pub spec: FlowSpec,
    /// What happened to its frames.
    pub counters: Arc<FlowCounters>,
    /// When they arrived.
    pub arrivals: Arc<Arrivals>,
    /// Those that arrived twice.
    pub twins: Arc<Twins>,
    ready: Arc<AtomicBool>,
    links: [Arc<Link>; 2],
}

impl FlowView {
    pub(crate) fn new(spec: FlowSpec, log_capacity: usize, links: [Arc<Link>; 2]) -> Self {
        let arrivals = Arc::new(Arrivals::new(log_capacity));
        Self {
            spec,
            counters: Arc::default(),
            arrivals,
            twins: Arc::default(),
            ready: Arc::default(),
            links,
        }
    }

    /// The links of the sender and of the receiver.
    pub fn links(&self) -> &[Arc<Link>; 2] {
        &self.links
    }

    /// The longest gap between consecutive arrivals that overlaps `window`.
    ///
    /// # Errors
    /// When the window reaches back further than the log.
    pub fn blackout(&self, window: Window) -> Result<Gap> {
        self.arrivals.longest_gap(window)
    }

    /// Frames sent that have not arrived: in flight or, when all is quiet, lost.
    pub fn outstanding(&self) -> u64 {
        self.counters
            .sent
            .get()
            .saturating_sub(self.counters.received.get())
    }

    /// Whether a probe has crossed from sender to receiver.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
enum Phase {
    Idle,
    Probing { next: Nanos },
    Sending(Schedule),
}

/// A flow as the polling thread works on it. Endpoints are known by their place.
#[derive(Debug)]
pub(crate) struct FlowState {
    pub(crate) from: usize,
    pub(crate) to: usize,
    number: u16,
    macs: (Mac, Mac),
    view: FlowView,
    phase: Phase,
    recorder: Recorder,
    frame: Vec<u8>,
}

impl FlowState {
    /// A flow with number `number`, from and to the endpoints at these places.
    pub(crate) fn new(view: FlowView, number: u16, from: (usize, Mac), to: (usize, Mac)) -> Self {
        let FlowView {
            counters,
            arrivals,
            twins,
            ..
        } = view.clone();
        let recorder = Recorder::new(counters, arrivals, twins, 16 << 20);
        let frame = vec![0; frame::buffer_size(view.spec.wire_size)];
        let macs = (from.1, to.1);
        Self {
            from: from.0,
            to: to.0,
            number,
            macs,
            view,
            phase: Phase::Idle,
            recorder,
            frame,
        }
    }

    /// Begins to probe the path, unless the flow is already on its way.
    pub(crate) fn probe(&mut self) {
        if let Phase::Idle = self.phase {
            self.phase = Phase::Probing { next: 0 };
        }
    }

    /// Begins to send, unless it already does.
    pub(crate) fn start(&mut self, now: Nanos) {
        match self.phase {
            Phase::Idle | Phase::Probing { .. } => {
                self.phase = Phase::Sending(Schedule::new(self.view.spec.pace, now));
            }
            Phase::Sending(_) => {}
        }
    }

    /// Stops sending; what is in flight is still recorded.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Whether the flow has a timetable to keep.
    pub(crate) fn is_sending(&self) -> bool {
        match self.phase {
            Phase::Sending(_) => true,
            Phase::Idle | Phase::Probing { .. } => false,
        }
    }

    /// Sends what is due.
    pub(crate) fn send_due(&mut self, endpoint: &mut dyn Endpoint, now: Nanos) {
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Probing { next } if *next > now => {}
            Phase::Probing { next } => {
                *next = now + PROBE_EVERY;
                let content = Content {
                    flow: self.number,
                    sequence: frame::PROBE,
                    sent_at: now,
                };
                frame::write(&mut self.frame, self.macs.1, self.macs.0, content);
                endpoint.send(&self.frame);
            }
            Phase::Sending(schedule) => {
                let due = schedule.due(now);
                self.send_frames(due, endpoint, now);
            }
        }
    }

    fn send_frames(&mut self, due: Due, endpoint: &mut dyn Endpoint, now: Nanos) {
        let counters = &self.view.counters;
        counters.skipped.add(due.skip);
        for done in 0..due.send {
            let sequence = counters.sent.get();
            let content = Content {
                flow: self.number,
                sequence,
                sent_at: now,
            };
            frame::write(&mut self.frame, self.macs.1, self.macs.0, content);
            if !endpoint.send(&self.frame) {
                counters.refused.add(due.send - done);
                break;
            }
            counters.sent.add(1);
            self.view.arrivals.note_sent(now);
        }
    }

    /// Records a whole frame of this flow that arrived at the endpoint at place `at`.
    pub(crate) fn arrived(&mut self, at: usize, content: Content, now: Nanos) {
        match content.sequence {
            _ if at != self.to => self.view.counters.strayed.add(1),
            frame::PROBE => self.view.ready.store(true, Ordering::Release),
            _ => self.recorder.record(content, now),
        }
    }

    /// Records a changed frame of this flow.
    pub(crate) fn arrived_corrupted(&mut self) {
        self.view.counters.corrupted.add(1);
    }
}
