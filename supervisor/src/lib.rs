//! vswsup: keeps an active and a standby vswitch, and moves the guests from one to the other.
//!
//! * [`config`]: the one TOML file, and errors that name file, line, key and what to do.
//! * [`check`]: whether this host can do what the configuration asks for.
//! * [`control`]: what the command line and the daemon say to each other.
//! * [`cli`] and [`report`]: the command line, and how it tells people what it was told.
//! * [`memory_files`]: the instances' memory, where it is in files.
//! * [`pci`]: functions of NICs, and giving them to the instances.
//! * [`watch`]: whether a thread of an instance hangs.
//! * [`policy`] and [`daemon`]: what to do, and doing it.

pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
mod exit;
pub mod memory_files;
pub mod pci;
pub mod policy;
pub mod report;
pub mod watch;

pub use config::Config;
pub use exit::ExitStatus;
