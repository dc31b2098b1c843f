//! The back end's side of vhost-user for a network device (QEMU `docs/interop/vhost-user.rst`).
//!
//! * [`connection`]: whole messages are looked at while they stay in the socket, then consumed.
//! * [`Request`]: what a front end asks for; any bytes are a request or a [`Refusal`].
//! * [`apply`]: what a request makes of a device, without touching the world.
//! * [`answer`]: what is owed for it.
//! * [`features`]: what is offered.

pub mod connection;
pub mod features;

mod answer;
mod apply;
mod check;
mod refusal;
mod request;
mod wire;

pub use answer::{answer, refuse};
pub use apply::{Outcome, apply};
pub use check::check;
pub use refusal::Refusal;
pub use request::{Name, Request, RingAddresses, RingEvent};
pub use wire::{HEADER_LEN, Header, MAX_PAYLOAD, NEED_REPLY, VERSION};
