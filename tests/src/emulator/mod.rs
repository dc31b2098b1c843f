//! The guest emulator: the project's measuring instrument.
//!
//! A vhost-user front end with a virtio-net driver, and the far end of the uplink, polled by one thread
//! that sends numbered frames and tells what became of each: arrived, lost, doubled, reordered, corrupted,
//! and how long the longest silence was.
//!
//! What is not the switch's doing is kept apart. A frame that the sender's own ring did not take is
//! `refused`, one that the instrument was too late to send is `skipped`, and both were never sent. When the
//! polling thread itself did not run, that is a stall; a run with a stall over the limit, 90 ms, is void.
//! The rings are sized so that such a stall loses nothing: at 50,000 frames a second 90 ms are 4,500 frames,
//! a guest's ring holds 8,192 and the uplink's 16,384.
//!
//! ```no_run
//! use std::time::Duration;
//! use vswsup_tests::emulator::{FlowSpec, GuestSpec, Instrument, Plan, Socket, UplinkSpec, Window, now};
//!
//! # fn main() -> Result<(), vswsup_tests::emulator::Error> {
//! let limit = Duration::from_secs(10);
//! let plan = Plan::new()
//!     .guest("vm1", GuestSpec::new(Socket::Client("vm1.sock".into())))
//!     .guest("vm2", GuestSpec::new(Socket::Server("vm2.sock".into())))
//!     .uplink("wire", UplinkSpec::new(None, "wire0"))
//!     .flow(FlowSpec::steady("VM to VM", "vm1", "vm2", 50_000, 64))
//!     .flow(FlowSpec::bursts("wire to VM", "wire", "vm1", 32, Duration::from_millis(1), 1518));
//! let mut running = Instrument::start(plan)?;
//! running.wait_for_links(limit)?;
//! running.start_flows(limit)?;
//!
//! let before = now();
//! // ... promote ...
//! let blackout = running.flows()[0].blackout(Window::new(before, now()))?.length();
//! running.add_guest("vm3", &GuestSpec::idle(Socket::Client("vm3.sock".into())))?;
//!
//! let report = running.stop()?;
//! match report.void() {
//!     Some(reason) => println!("void: {reason}"),
//!     None => report.flows.iter().for_each(|flow| println!("{flow}, blackout {blackout} ns")),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`Plan`], [`Running`], [`Report`]; then `poll_loop`, `guest`, `split_ring`; then
//! [`front_end`], `connection`, `connector`.

pub mod front_end;

mod arrivals;
mod clock;
mod connection;
mod connector;
mod counters;
mod endpoint;
mod error;
mod flow;
mod flow_state;
mod frame;
mod guest;
mod instrument;
mod memory;
mod packet_ring;
mod plan;
mod poll_loop;
mod process;
mod recorder;
mod report;
mod rx_queue;
pub mod split_ring;
mod stalls;
mod twins;
mod tx_queue;
mod uplink;
mod virtio_net;

pub use arrivals::{Arrivals, Gap};
pub use clock::{Nanos, Window, now};
pub use counters::{Counter, FlowCounters};
pub use endpoint::{Endpoint, Link, LinkEvent};
pub use error::{Error, Result};
pub use flow::{FlowSpec, MOST_AT_ONCE, Pace};
pub use flow_state::FlowView;
pub use frame::{ETHERTYPE, Mac, WIRE_SIZES};
pub use guest::{GuestSpec, Socket};
pub use instrument::{Instrument, Running};
pub use memory::{Allocator, GuestMemory, Pages, Region};
pub use plan::Plan;
pub use report::{EndpointReport, FlowReport, Report};
pub use split_ring::{Descriptor, RingError, RingLayout};
pub use stalls::{STALL_THRESHOLD, Stalls};
pub use twins::{Twin, Twins};
pub use tx_queue::TxLayout;
pub use uplink::{Uplink, UplinkSpec};
