//! What the daemon told, for people. `--json` shows the same as it came.

mod lists;
mod moves;
mod status;
mod table;

pub use lists::{device, devices, ports};
pub use moves::{events, history, promoted, reloaded};
pub use status::{Health, has_given_up, status};
