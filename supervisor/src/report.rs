//! What the daemon told, for people. `--json` shows the same as it came.

mod blame;
mod lists;
mod moves;
mod picture;
mod status;
mod table;

pub use blame::{Timeline, blame, timelines};
pub use lists::{device, devices, ports};
pub use moves::{events, history, promoted, reloaded};
pub use picture::picture;
pub use status::{Health, has_given_up, status};
