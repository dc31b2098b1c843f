//! The atomics that processes agree by: those of the standard library, and with `--cfg loom` those of
//! loom, which tries every order of steps and every value that a load may see.
//!
//! What is made of these is the same code in both builds. Only where it lies differs: in shared memory,
//! or in a test (`tests/protocols`).

#[cfg(not(loom))]
pub use std::{
    sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, AtomicU64, fence},
    thread::yield_now,
};

#[cfg(loom)]
pub use loom::{sync::atomic::fence, thread::yield_now};
#[cfg(loom)]
pub use mortal::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, AtomicU64};
#[cfg(loom)]
pub mod mortal;
