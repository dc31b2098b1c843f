//! What an instrument is to measure, built step by step.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::flow::FlowSpec;
use super::guest::GuestSpec;
use super::uplink::UplinkSpec;

/// An endpoint as a plan names it.
pub(crate) enum EndpointPlan {
    Guest(Box<GuestSpec>),
    Uplink(UplinkSpec),
    Own(Box<dyn Endpoint>),
}

/// Endpoints, flows between them, and where the instrument runs.
pub struct Plan {
    pub(crate) cpu: Option<usize>,
    pub(crate) realtime: bool,
    pub(crate) restful: bool,
    pub(crate) stall_limit: Duration,
    pub(crate) log_capacity: usize,
    pub(crate) endpoints: Vec<(String, EndpointPlan)>,
    pub(crate) flows: Vec<FlowSpec>,
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Plan {
    /// A plan without endpoints: the last CPU, stalls up to 90 ms, a log of 4 Mi arrivals a flow (32 MiB,
    /// 83 s at 50,000 frames a second).
    pub fn new() -> Self {
        Self {
            cpu: None,
            realtime: false,
            restful: false,
            stall_limit: Duration::from_millis(90),
            log_capacity: 4 << 20,
            endpoints: vec![],
            flows: vec![],
        }
    }

    /// Pins the polling thread to this CPU instead of the last one.
    pub fn cpu(mut self, cpu: usize) -> Self {
        self.cpu = Some(cpu);
        self
    }

    /// Runs the polling thread under SCHED_FIFO, which spares it most stalls. Only for a CPU that nothing
    /// measured may run on: whatever else lands there waits for up to a second.
    pub fn realtime(mut self) -> Self {
        self.realtime = true;
        self
    }

    /// Rests the polling thread for 200 µs after each turn, even while flows send: for some 1,000 frames a
    /// second, where others need the CPU.
    pub fn restful(mut self) -> Self {
        self.restful = true;
        self
    }

    /// Sets the stall above which the whole run is void.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit;
        self
    }

    /// Sets how many arrivals of each flow are kept, 8 bytes each.
    pub fn log_capacity(mut self, arrivals: usize) -> Self {
        self.log_capacity = arrivals;
        self
    }

    /// Adds a guest.
    pub fn guest(self, name: &str, spec: GuestSpec) -> Self {
        self.add(name, EndpointPlan::Guest(Box::new(spec)))
    }

    /// Adds an uplink end.
    pub fn uplink(self, name: &str, spec: UplinkSpec) -> Self {
        self.add(name, EndpointPlan::Uplink(spec))
    }

    /// Adds an endpoint of the caller's own.
    pub fn endpoint(self, name: &str, endpoint: Box<dyn Endpoint>) -> Self {
        self.add(name, EndpointPlan::Own(endpoint))
    }

    /// Adds a flow between two endpoints of the plan.
    pub fn flow(mut self, flow: FlowSpec) -> Self {
        self.flows.push(flow);
        self
    }

    fn add(mut self, name: &str, endpoint: EndpointPlan) -> Self {
        self.endpoints.push((name.into(), endpoint));
        self
    }
}
