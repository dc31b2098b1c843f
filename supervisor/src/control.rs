//! The control socket: what the command line asks and the daemon answers.

mod names;
pub mod protocol;

pub use protocol::{Request, Response};
