//! Why memory cannot be mapped.

use rustix::io::Errno;

/// Why a region cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// A socket, a directory, a device.
    #[error(
        "the fd of memory region {0:#x} is no file in memory: use memory-backend-memfd or memory-backend-file with share=on"
    )]
    NotAFile(u64),
    /// The file ends before the region does.
    #[error(
        "memory region {guest_addr:#x} ends at {end:#x} of its file, which has {size:#x} bytes"
    )]
    BeyondFile {
        /// Where the region is for the guest.
        guest_addr: u64,
        /// Where it ends in the file, bytes.
        end: u64,
        /// Of the file, bytes.
        size: u64,
    },
    /// More than one instance can keep in view.
    #[error("memory region {0:#x}: too many memory regions in all devices together")]
    TooMany(u64),
    /// The kernel says no.
    #[error("memory region {guest_addr:#x}: {call}: {errno}")]
    Io {
        /// Where the region is for the guest.
        guest_addr: u64,
        /// Which system call.
        call: &'static str,
        /// What it said.
        errno: Errno,
    },
}
