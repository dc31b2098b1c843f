//! Whole-system tests and what they stand on.

pub mod bench;
pub mod bench_failover;
pub mod bench_restart;
pub mod chaos;
pub mod cores;
pub mod demo;
pub mod demo_vm;
pub mod emulator;
pub mod failover;
pub mod guest_vm;
pub mod inside_nic;
pub mod nic_machine;
pub mod real_nic;
pub mod rig;
pub mod statistics;
pub mod terminal;
