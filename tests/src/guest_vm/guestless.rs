//! QEMU without a machine: a vhost-user connection and nobody behind it.

use std::time::Duration;

use super::agent::Deadline;
use super::boot;
use super::qemu::{self, Paths};
use super::started::{CONNECT_LIMIT, connect};
use super::{GuestVmConfig, Process, QemuVersion, Qmp, Result};

/// QEMU that connects, and sends what it sends before there is a driver. It starts within a moment, but
/// answers only when its connection is made. Dropped, it is killed.
#[derive(Debug)]
pub struct GuestlessQemu {
    _process: Process,
    paths: Paths,
    qmp: Qmp,
}

impl GuestlessQemu {
    /// Starts it with the socket and in the work directory of `config`, and waits until it has
    /// negotiated with the back end, at most `limit`.
    ///
    /// # Errors
    /// When it does not start, or does not come to terms with the back end.
    pub fn start(config: &GuestVmConfig, limit: Duration) -> Result<GuestlessQemu> {
        let version = QemuVersion::of(&config.qemu)?;
        let paths = Paths::below(&config.workdir)?;
        boot::remove_stale(config, &paths)?;
        let arguments = qemu::arguments_without_guest(config, version, &paths);
        let mut process = Process::start(&config.qemu, arguments, &paths.log)?;
        let deadline = Deadline::after(CONNECT_LIMIT);
        let stream = connect(&paths.qmp, &mut process, &paths, deadline)?;
        let qmp = Qmp::negotiate(stream, limit).map_err(|error| error.with_log(&paths.tail()))?;
        Ok(GuestlessQemu {
            _process: process,
            paths,
            qmp,
        })
    }

    /// How often it saw its connection closed.
    ///
    /// # Errors
    /// Those of reading its trace.
    pub fn disconnects(&self) -> Result<u64> {
        qemu::count_events(&self.paths.trace, qemu::CHARDEV_CLOSED)
    }

    /// QEMU's machine protocol.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }
}
