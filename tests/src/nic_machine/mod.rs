//! A machine with NICs: QEMU (TCG) boots a Debian kernel on an emulated PC that has what many hosts of
//! tests have not, an IOMMU and NICs behind it.
//!
//! | device | by its address | its wire leads to |
//! | --- | --- | --- |
//! | `igb`: an Intel 82576 with SR-IOV, up to 8 VFs | [`PF`] | [`WIRE`], a NIC of the same machine |
//! | two virtio-net devices behind the IOMMU | [`UPLINKS`] | [`BRIDGE_PORTS`], each to its own |
//!
//! Everything is inside: what sends from the wire, what receives, and the clock of both. The machine's
//! root is the host's, read-only below a tmpfs, so that programs built on the host run in it. Its clock is
//! the host's TSC at the host's own measure, so times in it are host times.
//!
//! Times are those of an emulated CPU and of an emulated bus: upper bounds, and no more.
//!
//! Inside, [`crate::real_nic`] makes of the devices a NIC for a system under test.

mod arguments;
mod clock;
mod lost_event;
mod machine;
mod shell;

pub use machine::{NicMachine, Told};

/// An Ethernet address, as the kernel writes it.
pub type Address = &'static str;

/// The physical function.
pub const PF: Address = "52:54:00:00:00:10";
/// The far end of the PF's wire.
pub const WIRE: Address = "52:54:00:00:00:20";
/// The two virtio-net devices behind the IOMMU.
pub const UPLINKS: [Address; 2] = ["52:54:00:00:01:0a", "52:54:00:00:01:0b"];
/// The far ends of their wires.
pub const BRIDGE_PORTS: [Address; 2] = ["52:54:00:00:02:0a", "52:54:00:00:02:0b"];
