//! What is asked and answered. One connection carries one request and its response.

mod events;
mod features;
mod moves;
mod ports;
mod request;
mod response;

pub use events::{EventKind, EventReport, FailoverReport};
pub use features::{protocol_names, virtio_names};
pub use moves::{HistoryEntry, MoveKind, Outcome, Phase, PromoteReport};
pub use ports::{Counters, DeviceReport, PortReport};
pub use request::Request;
pub use response::{
    Failure, InstanceReport, InstanceState, ReloadReport, Response, StatusReport, SteeringReport,
    UplinkHealth, UplinkReport,
};

/// Number of this form of the messages; a reader that has another one refuses.
pub const SCHEMA: u32 = 1;
