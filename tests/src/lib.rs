//! Whole-system tests and what they stand on.

pub mod emulator;
pub mod guest_vm;
pub mod rig;
