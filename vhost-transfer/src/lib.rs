//! What a vhost-user device is when it moves between two processes.
//!
//! * [`Device`]: the state of one vhost-user device and its file descriptors, packed and unpacked.
//! * [`message`] and [`Lifeline`]: how the supervisor and an instance talk.
//! * [`probe`]: what the supervisor sends through the NIC, to know that an instance hears.
//! * [`Ledger`]: the shared memory in which a successor finds at once what cannot be sent in time:
//!   who owns the lanes, where each ring stands, which address lives behind which port.
//! * [`on_time`]: what keeps a move from waiting for the machine.
//!
//! No DPDK and no policy live here: the supervisor and the switch share this crate and nothing else.

mod cbor;
pub mod device;
pub mod frame;
pub mod id;
pub mod ledger;
pub mod lifeline;
pub mod message;
pub mod on_time;
pub mod probe;
pub mod sync;

pub use device::{Device, DeviceFds, DeviceState};
pub use id::{InstanceId, PortId, Role, Term};
#[cfg(not(loom))]
pub use ledger::Ledger;
pub use lifeline::Lifeline;

/// Ports of one switch, the uplink among them (which is [`PortId::UPLINK`]).
pub const MAX_PORTS: u16 = 512;
/// Rings of one device: eight queue pairs.
pub const MAX_RINGS: u16 = 16;
/// Memory regions of one device: with the rings' and the device's own, its fds fit one message.
pub const MAX_MEMORY_REGIONS: usize = 64;
/// Lanes of one instance.
pub const MAX_LANES: u16 = 16;
