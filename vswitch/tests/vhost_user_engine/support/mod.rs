//! What the tests share: messages, a front end, a recording back end, and a host that drives a port.

pub(crate) mod backend;
pub(crate) mod front_end;
pub(crate) mod host;
pub(crate) mod message;
pub(crate) mod script;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::os::fd::OwnedFd;

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
