//! The control socket: what the command line asks and the daemon answers.

pub mod client;
mod connection;
pub mod frame;
pub(crate) mod names;
pub mod protocol;
mod runtime_dir;
mod server;

pub use client::ClientError;
pub use protocol::{Request, Response};
pub use runtime_dir::{RuntimeDir, RuntimeDirError};
pub use server::{ConnId, ControlServer};
