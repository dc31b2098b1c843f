//! The learning switch: where a packet goes, and how it gets there with one copy.

mod forward;
mod plan;
mod uplink;

pub use forward::Forwarder;
pub use plan::{Plan, RingView, VhostView};
pub use uplink::{BURST, UplinkPort};

use vhost_transfer::Term;
use vhost_transfer::ledger::Predecessor;

/// An ownership of the lanes, as a lane that has it knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    /// Its number.
    pub term: Term,
    /// How the lanes were found.
    pub predecessor: Predecessor,
}
