//! Whole-system tests and what they stand on.

pub mod guest_vm;
