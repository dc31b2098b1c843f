//! A real guest: QEMU (TCG) boots a Debian kernel whose one network card is a vhost-user device.
//!
//! The guest is made by the scripts in `tests/guest`, once, below cargo's target directory. Its memory
//! is a shared memfd and its clock the HPET, so that times measured in the guest are host times. It
//! works with QEMU 7.2 and 10.0: any `qemu-system-x86_64` in `PATH`, or the one that the environment
//! variable `VSWSUP_QEMU` names; see [`GuestVm::version`].
//!
//! QEMU does not run its guest before the back end is connected, so start that first, or
//! [`spawn`](GuestVm::spawn) the VM, start the back end, and then
//! [`wait_ready`](StartingVm::wait_ready). Whoever moves the main thread to another network namespace
//! calls [`Artifacts::prepare`] before: the first time it downloads a kernel package.
//!
//! Disconnects are counted exactly on every version, from QEMU's own trace of its net device; QMP has
//! events for them since 10.0 only. QEMU below 10.0 gets a network card without MSI-X, because
//! 7.2 crashes with it when there is no KVM.
//!
//! # Example: promotes that nobody notices
//!
//! ```no_run
//! # use std::time::Duration;
//! # use vswsup_tests::guest_vm::{GuestVm, GuestVmConfig, HostPing, Result, SocketMode};
//! # fn promote() {}
//! # fn main() -> Result<()> {
//! # let directory = std::path::Path::new("");
//! let mode = SocketMode::Client { reconnect: Some(Duration::from_secs(1)) };
//! let config = GuestVmConfig::new(directory.join("vm1.sock"), mode, directory);
//! let guest = config.ip;
//! let uplink = "10.77.0.1".parse().unwrap(); // behind the switch, in this thread's network namespace
//! let vm = GuestVm::boot(config)?;
//! eprintln!("QEMU {}, booted in {:?}", vm.version(), vm.boot_time());
//!
//! let every = Duration::from_millis(2);
//! let watch = vm.watch(uplink, every)?;
//! let host = HostPing::start(guest, every)?;
//! for _ in 0..20 {
//!     promote();
//! }
//! let host = host.finish()?;
//! let report = watch.finish()?;
//! assert!(report.unnoticed(), "{report:#?}");
//! assert_eq!(host.lost(), 0, "{host:#?}");
//! # Ok(())
//! # }
//! ```

pub(crate) mod agent;
mod artifacts;
mod boot;
mod config;
mod error;
mod guestless;
mod ping;
mod process;
pub(crate) mod qemu;
mod qmp;
pub(crate) mod started;
mod vm;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use agent::CommandOutcome;
pub use artifacts::Artifacts;
pub use boot::StartingVm;
pub use config::{GuestVmConfig, Mac, QEMU_VARIABLE, SocketMode};
pub use error::{GuestVmError, Result};
pub use guestless::GuestlessQemu;
pub use ping::{GuestPing, HostPing, PingReport};
pub use process::Process;
pub use qemu::QemuVersion;
pub use qmp::{Qmp, QmpEvent};
pub use vm::GuestVm;
pub use watch::{GuestReport, GuestWatch};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
