//! What the emulator's tests share: dpdk-testpmd as the peer, and one test at a time.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod back_end;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use vswsup_tests::emulator::{GuestSpec, Instrument, Plan, Running, Socket};

/// How long testpmd may take until its ports forward.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// Held by a test while it measures: two at a time would disturb each other.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who listens on the vhost-user sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Switch,
    Guest,
}

/// dpdk-testpmd: frames of port 0 go out of port 1, those of 2 out of 3, and back. Killed when dropped.
pub(crate) struct Testpmd {
    folder: TempDir,
    listener: Listener,
    vhost_ports: usize,
    uplink: Option<&'static str>,
    process: Child,
}

impl Testpmd {
    /// With two vhost ports.
    pub(crate) fn start(listener: Listener) -> Self {
        Self::new(listener, 2, None)
    }

    /// With many vhost ports.
    pub(crate) fn start_with_ports(vhost_ports: usize) -> Self {
        Self::new(Listener::Switch, vhost_ports, None)
    }

    /// With one vhost port, the other on a network device of the calling thread's namespace.
    pub(crate) fn start_with_uplink(interface: &'static str) -> Self {
        Self::new(Listener::Switch, 1, Some(interface))
    }

    fn new(listener: Listener, vhost_ports: usize, uplink: Option<&'static str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = spawn(&folder, listener, vhost_ports, uplink);
        Self {
            folder,
            listener,
            vhost_ports,
            uplink,
            process,
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("testpmd is ours to kill");
        self.process.wait().expect("testpmd is our child");
    }

    /// Starts it again on the same sockets.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.folder, self.listener, self.vhost_ports, self.uplink);
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// How a guest reaches a vhost port.
    pub(crate) fn socket(&self, port: usize) -> Socket {
        let path = socket_path(&self.folder, port);
        match self.listener {
            Listener::Switch => Socket::Client(path),
            Listener::Guest => Socket::Server(path),
        }
    }

    /// A guest with the defaults on a vhost port.
    pub(crate) fn guest(&self, port: usize) -> GuestSpec {
        GuestSpec::new(self.socket(port))
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts an instrument and its flows; `what` names the failure.
pub(crate) fn start(plan: Plan) -> Running {
    let running = Instrument::start(plan).unwrap_or_else(|error| panic!("{error}"));
    running
        .wait_for_links(START_LIMIT)
        .unwrap_or_else(|error| panic!("{error}"));
    running
        .start_flows(START_LIMIT)
        .unwrap_or_else(|error| panic!("{error}"));
    running
}

/// Waits until a flow has tried to send this many frames: time says little on a busy machine.
pub(crate) fn wait_for_frames(running: &Running, flow: usize, frames: u64) {
    let counters = &running.flows()[flow].counters;
    let deadline = Instant::now() + Duration::from_secs(30);
    while counters.sent.get() + counters.refused.get() < frames {
        assert!(Instant::now() < deadline, "the instrument gets no CPU");
        sleep(Duration::from_millis(1));
    }
}

/// Moves the test's thread into a network namespace of its own, with a veth pair that is up.
pub(crate) fn make_wire(ends: [&str; 2]) {
    unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace: run as root");
    // Without it the kernel sends frames of its own; a kernel without IPv6 does not.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    ip(&[
        "link", "add", ends[0], "type", "veth", "peer", "name", ends[1],
    ]);
    ends.iter().for_each(|end| ip(&["link", "set", end, "up"]));
}

fn ip(arguments: &[&str]) {
    let outcome = Command::new("ip").args(arguments).status();
    let outcome = outcome.expect("ip runs: install the Debian package iproute2");
    assert!(outcome.success(), "ip {arguments:?}");
}

fn socket_path(folder: &TempDir, port: usize) -> PathBuf {
    folder.path().join(format!("{port}.sock"))
}

fn spawn(folder: &TempDir, listener: Listener, vhosts: usize, uplink: Option<&str>) -> Child {
    let mut command = Command::new("dpdk-testpmd");
    // Both of its threads on the first CPU: the last one is the instrument's.
    command.args([
        "--lcores",
        "0@0,1@0",
        "--no-huge",
        "-m",
        "256",
        "--no-pci",
        "--no-telemetry",
    ]);
    command
        .arg("--file-prefix")
        .arg(folder.path().file_name().expect("a folder has a name"));
    for port in 0..vhosts {
        let device = vhost_device(&socket_path(folder, port), port, listener);
        command.args(["--vdev", &device]);
    }
    if let Some(interface) = uplink {
        let rings = "blocksz=65536,framesz=2048,framecnt=8192";
        command.args([
            "--vdev",
            &format!("net_af_packet0,iface={interface},{rings}"),
        ]);
    }
    command.args([
        "--",
        "--forward-mode=io",
        "--auto-start",
        "--no-lsc-interrupt",
    ]);
    command.args(["--total-num-mbufs=40000"]);
    let log = File::create(folder.path().join("log")).expect("a log file");
    let errors = log.try_clone().expect("a second handle");
    command.stdin(Stdio::piped()).stdout(log).stderr(errors);
    // SAFETY: prctl is a plain system call, async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
    command
        .spawn()
        .expect("dpdk-testpmd runs: install the Debian package dpdk-dev")
}

fn vhost_device(path: &Path, port: usize, listener: Listener) -> String {
    if listener == Listener::Switch {
        // What a killed one left would keep the next one from listening.
        let _ = std::fs::remove_file(path);
    }
    let client = u8::from(listener == Listener::Guest);
    format!("net_vhost{port},iface={},client={client}", path.display())
}
