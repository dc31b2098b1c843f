//! What the tests share: messages, a front end, a recording back end, and a host that drives a port.

pub(crate) mod backend;
pub(crate) mod front_end;
pub(crate) mod host;
pub(crate) mod message;
pub(crate) mod script;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

/// An eventfd.
pub(crate) fn event() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC).expect("eventfd")
}

/// A sparse file in memory.
pub(crate) fn memfd(size: u64) -> OwnedFd {
    let fd = memfd_create("guest", MemfdFlags::CLOEXEC).expect("memfd");
    ftruncate(&fd, size).expect("ftruncate");
    fd
}

/// Whether the page of this process at `address` has a page table entry (Linux
/// `Documentation/admin-guide/mm/pagemap.rst`).
pub(crate) fn is_present(address: NonNull<u8>) -> bool {
    let pagemap = std::fs::File::open("/proc/self/pagemap").expect("pagemap");
    let mut entry = [0; 8];
    let offset = address.as_ptr() as u64 / 4096 * 8;
    pagemap.read_exact_at(&mut entry, offset).expect("an entry");
    u64::from_ne_bytes(entry) >> 63 == 1
}
