//! The learning switch: where a packet goes, and how it gets there with one copy.

mod ears;
mod forward;
mod plan;
mod uplink;

pub use ears::Ears;
pub use forward::Forwarder;
pub use plan::{Plan, RingView, VhostView};
pub use uplink::{BURST, FLUSH_LIMIT, UplinkPort};
