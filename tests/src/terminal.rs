//! What the demos share towards the person at the terminal: progress on standard error, and Ctrl-C.

mod interrupt;
mod progress;

pub use interrupt::{Interrupt, Interrupted};
pub use progress::Progress;
