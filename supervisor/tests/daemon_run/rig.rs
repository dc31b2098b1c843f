//! A supervisor with two fake instances in a directory of its own; all of it is gone when dropped.

use crate::wishes::{self, Wish};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vhost_transfer::{InstanceId, PortId};
use vswsup::control::protocol::{
    DeviceReport, EventReport, FailoverReport, Failure, HistoryEntry, MoveKind, PortReport,
    PromoteReport, StatusReport,
};
use vswsup::control::{Request, Response, client};

const VSWSUP: &str = env!("CARGO_BIN_EXE_vswsup");
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) directory: TempDir,
    daemon: Child,
    log: PathBuf,
}

impl Rig {
    /// Two ports in server mode; time limits that a busy machine keeps.
    pub(crate) fn start() -> Self {
        Self::with(|_| String::new())
    }

    /// As above, with what `more` says of the configuration for this directory.
    pub(crate) fn with(more: impl FnOnce(&Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("vswsup.toml");
        let text = config_text(directory.path(), &["vm1", "vm2"]) + &more(directory.path());
        fs::write(&config, text).unwrap();
        let log = directory.path().join("log");
        let daemon = spawn(directory.path(), &log);
        Self {
            directory,
            daemon,
            log,
        }
    }

    /// As [`Self::ready`], with the uplinks `vf0` and `vf1`, in a network namespace that is gone with
    /// the supervisor. Both are in device group 7.
    pub(crate) fn with_uplinks() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let uplinks = "[uplink]\na = \"net_af_packet0,iface=vf0\"\n\
                       b = \"net_af_packet0,iface=vf1\"\n[steering]\nbackend = \"none\"\n";
        let text = config_text(directory.path(), &["vm1"]) + uplinks;
        fs::write(directory.path().join("vswsup.toml"), text).unwrap();
        let log = directory.path().join("log");
        let make = "for n in 0 1; do ip link add vf$n type veth peer name wire$n && \
                    ip link set vf$n group 7 || exit; done; exec \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", make]);
        let rig = Self {
            daemon: run(command.arg(VSWSUP), directory.path(), &log),
            directory,
            log,
        };
        rig.wait_for_spare();
        rig
    }

    /// `ip` with `arguments`, in the supervisor's network namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        let status = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.daemon.id()))
            .arg("ip")
            .args(arguments.split(' '))
            .status();
        assert!(status.unwrap().success(), "ip {arguments}");
    }

    /// As [`Self::start`], when there is a spare.
    pub(crate) fn ready() -> Self {
        let rig = Self::start();
        rig.wait_for_spare();
        rig
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self, port: &str) -> PathBuf {
        self.path().join(format!("{port}.sock"))
    }

    /// Another supervisor with the same configuration.
    pub(crate) fn start_second(&self) -> (ExitStatus, String) {
        let log = self.path().join("second.log");
        let mut second = spawn(self.path(), &log);
        let status = second.wait().unwrap();
        (status, fs::read_to_string(log).unwrap())
    }

    pub(crate) fn rewrite_config(&self, ports: &[&str]) {
        fs::write(
            self.path().join("vswsup.toml"),
            config_text(self.path(), ports),
        )
        .unwrap();
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        let socket = self.path().join("run/control.sock");
        client::call(&socket, request, PATIENCE)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// The exit status of `vswsup` with `arguments`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Option<i32> {
        let output = Command::new(VSWSUP)
            .arg("--config")
            .arg(self.path().join("vswsup.toml"))
            .args(arguments)
            .output();
        output.unwrap().status.code()
    }

    pub(crate) fn status(&self) -> StatusReport {
        let Response::Status(status) = self.ask(&Request::Status) else {
            panic!("no status");
        };
        status
    }

    pub(crate) fn promote(&self) -> Result<PromoteReport, Failure> {
        self.promote_with(false)
    }

    pub(crate) fn promote_with(&self, reconnect: bool) -> Result<PromoteReport, Failure> {
        let response = self.ask(&Request::Promote { reconnect });
        if let Response::Promoted(report) = response {
            return Ok(report);
        }
        let Response::Failed(failure) = response else {
            panic!("{response:?} to a promote");
        };
        Err(failure)
    }

    pub(crate) fn devices(&self) -> Vec<DeviceReport> {
        let Response::Devices(devices) = self.ask(&Request::DeviceList) else {
            panic!("no devices");
        };
        devices
    }

    pub(crate) fn history(&self) -> Vec<HistoryEntry> {
        let Response::History(history) = self.ask(&Request::History { limit: 100 }) else {
            panic!("no history");
        };
        history
    }

    pub(crate) fn events(&self) -> Vec<EventReport> {
        let request = Request::Events {
            after: 0,
            limit: 1000,
        };
        let Response::Events(events) = self.ask(&request) else {
            panic!("no events");
        };
        events
    }

    pub(crate) fn ports(&self) -> Vec<PortReport> {
        let Response::Ports(ports) = self.ask(&Request::PortList) else {
            panic!("no ports");
        };
        ports
    }

    /// The last failover, when its old process has ended.
    pub(crate) fn last_failover(&self) -> (HistoryEntry, FailoverReport) {
        self.wait("failover", || {
            let mut history = self.history().into_iter().rev();
            let entry = history.find(|entry| entry.kind == MoveKind::Failover)?;
            let report = entry.failover.clone().filter(|report| report.ended)?;
            Some((entry, report))
        })
    }

    pub(crate) fn fault(&self, id: InstanceId, phase: &str, what: &str) {
        wishes::set_fault(self.path(), id, phase, what);
    }

    pub(crate) fn no_fault(&self, id: InstanceId, phase: &str) {
        wishes::clear_fault(self.path(), id, phase);
    }

    pub(crate) fn wish(&self, wish: Wish) {
        wishes::wish(self.path(), wish);
    }

    pub(crate) fn wait_for_spare(&self) -> StatusReport {
        self.wait("a spare", || {
            Some(self.try_status()?).filter(|status| status.spare)
        })
    }

    pub(crate) fn wait_for_line(&self, id: InstanceId, line: &str) {
        self.wait(line, || {
            let logged = wishes::logged(self.path(), id);
            logged.lines().any(|logged| logged == line).then_some(())
        });
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        self.wait(text, || self.log().contains(text).then_some(()));
    }

    pub(crate) fn wait<T>(&self, what: &str, found: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "no {what}; the log says:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn try_status(&self) -> Option<StatusReport> {
        let socket = self.path().join("run/control.sock");
        match client::call(&socket, &Request::Status, PATIENCE) {
            Ok(Response::Status(status)) => Some(status),
            Ok(_) | Err(_) => None,
        }
    }

    pub(crate) fn pid_of(&self, id: InstanceId) -> i32 {
        self.status().instances[id as usize].pid.expect("a process")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.daemon.id() as i32), signal).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for the supervisor's own end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.daemon.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end; the log says:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Rig {
    /// The fakes leave when their lifeline closes.
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

pub(crate) fn port(number: u16) -> PortId {
    PortId::new(number).unwrap()
}

pub(crate) fn kill_process(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// One that has ended and is not reaped does not run (proc_pid_stat(5)).
pub(crate) fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

fn spawn(directory: &Path, log: &Path) -> Child {
    run(&mut Command::new(VSWSUP), directory, log)
}

fn run(command: &mut Command, directory: &Path, log: &Path) -> Child {
    command
        .arg("--config")
        .arg(directory.join("vswsup.toml"))
        .arg("run")
        .env(wishes::DIRECTORY, directory)
        .stdin(Stdio::null())
        .stderr(fs::File::create(log).unwrap())
        .spawn()
        .unwrap()
}

fn config_text(directory: &Path, ports: &[&str]) -> String {
    let program = std::env::current_exe().unwrap();
    let mut text = format!(
        "[supervisor]\nruntime_dir = \"{run}\"\n\
         [vswitch]\nprogram = \"{program}\"\nlanes = [0]\nhugepages = false\n\
         [timeouts]\nstart = \"10s\"\nmapped = \"1s\"\nprepare = \"1s\"\n\
         quiesce = \"1s\"\nrelease = \"3s\"\n\
         [failover]\nlane_hang = \"200ms\"\nrestart_first = \"10ms\"\nrestart_limit = 5\n",
        run = directory.join("run").display(),
        program = program.display(),
    );
    for port in ports {
        let socket = directory.join(format!("{port}.sock"));
        text += &format!(
            "[[port]]\nname = \"{port}\"\nsocket = \"{}\"\n",
            socket.display()
        );
    }
    text
}
