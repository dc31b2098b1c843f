//! Lanes: the polling threads, and how they take and let go of the switch.

#[cfg(feature = "fault-injection")]
mod fault;
mod fence;
mod idle;
mod set;
mod shared;
mod worker;

#[cfg(feature = "fault-injection")]
pub use fault::{Action, Faults};
pub use set::{LaneError, LaneSet};
pub use shared::{Injection, LaneEvent, Shared, SharedParts};

use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, ns: the one clock that both instances read alike.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has CLOCK_MONOTONIC");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
