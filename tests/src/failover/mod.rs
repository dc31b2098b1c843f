//! Deaths under traffic: a system with three flows, processes of it that are killed, and what that
//! may cost by the code of the switch.
//!
//! Frames are counted while the flows go on: where nothing is reordered, a frame is lost when a later
//! one has arrived.
//!
//! Reading order: [`Stage`]; [`Observed`]; [`Bound`]; [`Witness`].

mod bound;
mod error;
mod observed;
mod pair;
mod stage;
mod tally;
mod witness;

pub use bound::Bound;
pub use error::{Error, Result};
pub use observed::{FlowObserved, Observed};
pub use pair::Pair;
pub use stage::{FLOWS, Path, Stage, Traffic};
pub use tally::Tally;
pub use witness::Witness;
pub(crate) use witness::ledger_of;

/// Lines of the supervisor's log that an error quotes.
const LOG_LINES: usize = 40;

/// The end of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
