//! The learning switch: where a packet goes, and how it gets there with one copy.

mod forward;
mod plan;
mod uplink;

pub use forward::Forwarder;
pub use plan::{Plan, RingView, VhostView};
pub use uplink::{BURST, FLUSH_LIMIT, UplinkPort, discard};
