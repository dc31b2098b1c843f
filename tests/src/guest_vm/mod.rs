//! A real guest: QEMU (TCG) boots a Debian kernel whose one network card is a vhost-user device.
//!
//! The guest is made by the scripts in `tests/guest`. Its memory is a shared memfd, its clock the HPET,
//! so that times measured in the guest are host times. It works with QEMU 7.2 and 10.0 (any `qemu-system-x86_64` in `PATH`,
//! or the one that the environment variable `VSWSUP_QEMU` names); see [`GuestVm::version`].
//!
//! QEMU does not run its guest before the back end is connected, so start that first, or
//! [`spawn`](GuestVm::spawn) the VM, start the back end, and then [`wait_ready`](GuestVm::wait_ready).
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
//! let uplink = "10.77.0.1".parse().unwrap(); // in the namespace "peer", behind the switch
//! let vm = GuestVm::boot(config)?;
//! eprintln!("QEMU {}, booted in {:?}", vm.version(), vm.boot_time());
//!
//! let every = Duration::from_millis(2);
//! let watch = vm.watch(uplink, every)?;
//! let host = HostPing::start(Some("peer"), guest, every)?;
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

mod agent;
mod artifacts;
mod config;
mod error;
mod ping;
mod process;
mod qemu;
mod qmp;
mod watch;

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use agent::{Agent, Deadline};
use process::describe;
use qemu::Paths;

pub use agent::CommandOutcome;
pub use artifacts::Artifacts;
pub use config::{GuestVmConfig, Mac, QEMU_VARIABLE, SocketMode};
pub use error::{GuestVmError, Result};
pub use ping::{GuestPing, HostPing, PingReport};
pub use process::Process;
pub use qemu::QemuVersion;
pub use qmp::{Qmp, QmpEvent};
pub use watch::{GuestReport, GuestWatch};

/// How long a command in the guest may take if nothing else is said.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// QEMU as started: it waits for the back end, or its guest boots. Dropped, it is killed.
#[derive(Debug)]
pub struct StartingVm {
    config: GuestVmConfig,
    version: QemuVersion,
    paths: Paths,
    process: Process,
    qmp: UnixStream,
    agent: Agent,
    started: Instant,
}

/// A running guest whose agent answers. Dropped, or when the *thread* that started it ends, it is killed.
#[derive(Debug)]
pub struct GuestVm {
    _process: Process,
    config: GuestVmConfig,
    version: QemuVersion,
    paths: Paths,
    qmp: Qmp,
    agent: Mutex<Agent>,
    boot_time: Duration,
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
        remove_stale(&paths)?;
        let started = Instant::now();
        let arguments = qemu::arguments(&config, version, &artifacts, &paths);
        let mut process = Process::start(&config.qemu, arguments, &paths.log)?;
        let deadline = Deadline::after(CONNECT_LIMIT);
        let qmp = connect(&paths.qmp, &mut process, &paths, deadline)?;
        let agent = connect(&paths.agent, &mut process, &paths, deadline)?;
        if config.mode == SocketMode::Server {
            wait_until_exists(&config.socket, &mut process, &paths, deadline)?;
        }
        Ok(StartingVm {
            agent: Agent::new(agent)?,
            config,
            version,
            paths,
            process,
            qmp,
            started,
        })
    }

    /// Runs shell text in the guest and gives its stdout and stderr; a status other than 0 is an
    /// error, and so is a run of more than 20 s. One command at a time; what it leaves in the
    /// background goes on.
    pub fn run(&self, command: &str) -> Result<String> {
        self.run_within(command, COMMAND_LIMIT)
    }

    /// [`run`](GuestVm::run) with a time limit of its own, in whole seconds.
    pub fn run_within(&self, command: &str, limit: Duration) -> Result<String> {
        let CommandOutcome { status, output } = self.outcome(command, limit)?;
        if status == 0 {
            return Ok(output);
        }
        Err(GuestVmError::Command {
            command: command.to_owned(),
            status,
            output,
        })
    }

    /// Runs shell text in the guest, whatever its status.
    pub fn outcome(&self, command: &str, limit: Duration) -> Result<CommandOutcome> {
        lock(&self.agent)
            .run(command, limit)
            .map_err(|error| error.with_log(&self.paths.tail()))
    }

    /// The guest's kernel messages.
    pub fn kernel_log(&self) -> Result<String> {
        self.run("dmesg")
    }

    /// Changes of eth0's carrier since boot, up and down counted apart.
    pub fn carrier_changes(&self) -> Result<u64> {
        self.number("cat /sys/class/net/eth0/carrier_changes")
    }

    /// Whether eth0 has a carrier now.
    pub fn has_carrier(&self) -> Result<bool> {
        Ok(self.number("cat /sys/class/net/eth0/carrier")? == 1)
    }

    /// How often QEMU's net device saw its vhost-user connection opened, the first one included.
    pub fn connects(&self) -> Result<u64> {
        qemu::count_events(&self.paths.trace, qemu::CHARDEV_OPENED)
    }

    /// How often QEMU's net device saw its vhost-user connection closed.
    pub fn disconnects(&self) -> Result<u64> {
        qemu::count_events(&self.paths.trace, qemu::CHARDEV_CLOSED)
    }

    /// How many seconds the guest's clock counts in one of the host's, measured over `span`. Times of
    /// a guest are to be believed only near 1.
    pub fn clock_ratio(&self, span: Duration) -> Result<f64> {
        let begin = (Instant::now(), self.uptime()?);
        thread::sleep(span);
        let end = (Instant::now(), self.uptime()?);
        Ok((end.1 - begin.1) / end.0.duration_since(begin.0).as_secs_f64())
    }

    /// Starts pings from the guest: an echo request to `target` every `interval`, 0.1 ms to 10 s.
    pub fn ping(&self, target: Ipv4Addr, interval: Duration) -> Result<GuestPing<'_>> {
        GuestPing::start(self, target, interval)
    }

    /// Starts pings from the guest and counts from now on what guest and QEMU notice.
    pub fn watch(&self, target: Ipv4Addr, interval: Duration) -> Result<GuestWatch<'_>> {
        GuestWatch::start(self, target, interval)
    }

    /// QEMU's machine protocol.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    /// Version of the QEMU that runs.
    pub fn version(&self) -> QemuVersion {
        self.version
    }

    /// From the start of QEMU to the agent's first line, the wait for the back end included.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// As it was given.
    pub fn config(&self) -> &GuestVmConfig {
        &self.config
    }

    /// The end of QEMU's messages and of the guest's console.
    pub fn log_tail(&self) -> String {
        self.paths.tail()
    }

    fn number(&self, command: &str) -> Result<u64> {
        let output = self.run(command)?;
        output.trim().parse().map_err(|_| GuestVmError::Protocol {
            peer: "the guest",
            answer: output,
        })
    }

    fn uptime(&self) -> Result<f64> {
        let output = self.run("cut -d' ' -f1 /proc/uptime")?;
        output.trim().parse().map_err(|_| GuestVmError::Protocol {
            peer: "the guest",
            answer: output,
        })
    }
}

impl StartingVm {
    /// Waits until the guest runs commands, at most [`GuestVmConfig::boot_limit`] from now.
    pub fn wait_ready(mut self) -> Result<GuestVm> {
        let deadline = Deadline::after(self.config.boot_limit);
        self.agent
            .wait_ready(deadline, || check_alive(&mut self.process, &self.paths))
            .map_err(|error| error.with_log(&self.paths.tail()))?;
        let boot_time = self.started.elapsed();
        Ok(GuestVm {
            qmp: Qmp::negotiate(self.qmp, CONNECT_LIMIT)?,
            _process: self.process,
            config: self.config,
            version: self.version,
            paths: self.paths,
            agent: Mutex::new(self.agent),
            boot_time,
        })
    }
}

/// Files of an earlier run in the same directory: their counts and sockets would be taken for ours.
fn remove_stale(paths: &Paths) -> Result<()> {
    for path in [&paths.qmp, &paths.agent, &paths.trace] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(GuestVmError::file(path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn connect(
    path: &Path,
    process: &mut Process,
    paths: &Paths,
    deadline: Deadline,
) -> Result<UnixStream> {
    loop {
        if let Ok(stream) = UnixStream::connect(path) {
            return Ok(stream);
        }
        wait_a_moment(path, process, paths, deadline)?;
    }
}

fn wait_until_exists(
    path: &Path,
    process: &mut Process,
    paths: &Paths,
    deadline: Deadline,
) -> Result<()> {
    while !path.exists() {
        wait_a_moment(path, process, paths, deadline)?;
    }
    Ok(())
}

fn wait_a_moment(
    path: &Path,
    process: &mut Process,
    paths: &Paths,
    deadline: Deadline,
) -> Result<()> {
    check_alive(process, paths)?;
    deadline.check(&path.to_string_lossy())?;
    thread::sleep(Duration::from_millis(10));
    Ok(())
}

fn check_alive(process: &mut Process, paths: &Paths) -> Result<()> {
    match process.exit_status() {
        None => Ok(()),
        Some(status) => Err(GuestVmError::QemuEnded {
            status: describe(status),
            log: paths.tail(),
        }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
