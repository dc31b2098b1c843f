//! The shared memory in which a successor finds what it needs in the instant of a takeover.
//!
//! The supervisor creates it, sealed against any change of size, and both instances map it. It
//! survives each of them. The layout has its own version and is only ever appended to.

mod fdb;
mod gate;
mod handover;
mod instance;
mod lane;
#[cfg_attr(loom, path = "ledger/lane_lock_model.rs")]
mod lane_lock;
mod ring;

pub use fdb::{Fdb, MacAddr};
pub use gate::{Gate, Left, Tenant, Tenure};
pub use handover::Handover;
pub use instance::{Death, Heard, InstanceSlot};
pub use lane::{LaneSlot, Predecessor};
pub use lane_lock::{LaneGuard, LaneLock};
pub use ring::{RingPosition, RingSlot};

// loom's atomics are no plain words, so with them there is nothing to be mapped.
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod view;

#[cfg(not(loom))]
pub use layout::{LAYOUT_VERSION, PortCounters};
#[cfg(not(loom))]
pub use shared::{Ledger, LedgerError};
#[cfg(not(loom))]
pub use view::{LaneView, LedgerView};
