//! What is asked and answered. One connection carries one request and its response.

mod features;
mod request;
mod response;

pub use features::{protocol_names, virtio_names};
pub use request::Request;
pub use response::{
    Counters, DeviceReport, Failure, HistoryEntry, InstanceReport, InstanceState, MoveKind,
    Outcome, Phase, PortReport, PromoteReport, ReloadReport, Response, StatusReport,
    SteeringReport,
};

/// Number of this form of the messages; a reader that has another one refuses.
pub const SCHEMA: u32 = 1;
