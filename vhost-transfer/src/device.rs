//! The state of one vhost-user device, and the file descriptors that belong to it.

mod fds;
mod pack;
mod state;

pub use fds::{DeviceFds, RingFds};
pub use pack::PackError;
pub use state::{DeviceState, DirtyLog, MemoryRegion, RingState, SocketMode};

/// A device as it moves: its state and its fds, which always fit each other when unpacked.
#[derive(Debug, Clone)]
pub struct Device {
    /// What can be written down.
    pub state: DeviceState,
    /// What only the kernel can hand over.
    pub fds: DeviceFds,
}
