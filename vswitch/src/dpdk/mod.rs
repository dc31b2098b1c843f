//! Thin safe wrappers of the part of DPDK that the data plane uses.
//!
//! | item | is |
//! | --- | --- |
//! | [`Eal`] | the process's DPDK; every other item holds it open |
//! | [`LaneRegistration`] | a lane's thread is known to DPDK and has its own mempool caches |
//! | [`Mempool`], [`Mbuf`], [`MbufBatch`] | packet buffers, one by one and by the burst |
//! | [`Uplink`] | an Ethernet device: a VF, or a netdev through `net_af_packet` |
//! | [`RxQueue`], [`TxQueue`] | its queues, each for one lane |
//!
//! Opening and closing may block and allocate. Bursts do neither.

mod args;
mod batch;
mod completion;
mod diagnosis;
mod eal;
mod error;
mod files;
mod lane;
mod log;
mod mbuf;
mod mempool;
mod port;
mod queue;
mod setup;
mod uplink;
mod version;
mod vfio;

pub use args::{EalConfig, LogLevel, Memory, Pci};
pub use batch::MbufBatch;
pub use eal::Eal;
pub use error::{DpdkError, Unsupported};
pub use lane::LaneRegistration;
pub use mbuf::{Mbuf, Segments};
pub use mempool::{Mempool, MempoolConfig};
pub use queue::{RxQueue, TxQueue};
pub use uplink::{Link, Probed, Queues, Uplink, UplinkConfig, UplinkStats};
pub use version::version;
