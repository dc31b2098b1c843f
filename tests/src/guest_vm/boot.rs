//! From the start of QEMU to a guest that runs commands.

use std::io::ErrorKind;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::agent::Deadline;
use super::qemu::{self, Paths};
use super::started::{CONNECT_LIMIT, StartedQemu};
use super::{
    Artifacts, GuestVm, GuestVmConfig, GuestVmError, QemuVersion, Qmp, Result, SocketMode,
};

/// QEMU as started: it waits for the back end, or its guest boots. Dropped, it is killed.
#[derive(Debug)]
pub struct StartingVm {
    config: GuestVmConfig,
    version: QemuVersion,
    qemu: StartedQemu,
    started: Instant,
}

impl GuestVm {
    /// [`spawn`](GuestVm::spawn) and [`wait_ready`](StartingVm::wait_ready). The back end must be
    /// there already, or come by itself.
    pub fn boot(config: GuestVmConfig) -> Result<GuestVm> {
        GuestVm::spawn(config)?.wait_ready()
    }

    /// Starts QEMU. In [`SocketMode::Server`] its socket is there when this returns; in client mode
    /// without reconnect the back end must listen before.
    pub fn spawn(config: GuestVmConfig) -> Result<StartingVm> {
        let artifacts = Artifacts::prepare()?;
        let version = QemuVersion::of(&config.qemu)?;
        let paths = Paths::below(&config.workdir)?;
        qemu::socket_path(config.socket.clone())?;
        remove_stale(&config, &paths)?;
        let started = Instant::now();
        let arguments = qemu::arguments(&config, version, &artifacts, &paths);
        let mut qemu = StartedQemu::start(&config.qemu, arguments, paths)?;
        if config.mode == SocketMode::Server {
            qemu.wait_until_exists(&config.socket)?;
        }
        Ok(StartingVm {
            config,
            version,
            qemu,
            started,
        })
    }
}

impl StartingVm {
    /// Waits until the guest runs commands and its eth0 has a carrier, at most
    /// [`GuestVmConfig::boot_limit`] from now.
    pub fn wait_ready(self) -> Result<GuestVm> {
        self.wait_ready_unless(|| false)
    }

    /// The same, given up with [`GuestVmError::GivenUp`] as soon as `given_up` says so.
    pub fn wait_ready_unless(self, given_up: impl Fn() -> bool) -> Result<GuestVm> {
        let paths = self.qemu.paths.clone();
        self.become_ready(given_up)
            .map_err(|error| error.with_log(&paths.tail()))
    }

    fn become_ready(mut self, given_up: impl Fn() -> bool) -> Result<GuestVm> {
        let deadline = Deadline::after(self.config.boot_limit);
        self.qemu.wait_ready(deadline, given_up)?;
        let mut vm = GuestVm {
            qmp: Qmp::negotiate(self.qemu.qmp, CONNECT_LIMIT)?,
            _process: self.qemu.process,
            config: self.config,
            version: self.version,
            paths: self.qemu.paths,
            agent: Mutex::new(self.qemu.agent),
            boot_time: Duration::ZERO,
        };
        while !vm.has_carrier()? {
            deadline.check("a carrier of eth0")?;
        }
        vm.boot_time = self.started.elapsed();
        Ok(vm)
    }
}

/// Files of an earlier run in the same place: their counts and sockets would be taken for ours.
pub(super) fn remove_stale(config: &GuestVmConfig, paths: &Paths) -> Result<()> {
    let own_socket = (config.mode == SocketMode::Server).then_some(&config.socket);
    for path in [&paths.qmp, &paths.agent, &paths.trace]
        .into_iter()
        .chain(own_socket)
    {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(GuestVmError::file(path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
