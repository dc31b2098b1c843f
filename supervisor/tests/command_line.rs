//! The command line from outside: what it writes where, and its exit statuses.

use mio::{Events, Poll, Token};
use nix::unistd::Uid;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use vhost_transfer::InstanceId;
use vswsup::control::protocol::{
    Failure, HistoryEntry, InstanceReport, InstanceState, MoveKind, Outcome, Phase, PromoteReport,
    StatusReport,
};
use vswsup::control::{ControlServer, Request, Response, RuntimeDir};

fn vswsup(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_vswsup");
    Command::new(program).args(arguments).output().unwrap()
}

fn status_of(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// A daemon that always says the same; dropped, it stops.
struct Daemon {
    directory: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    fn answering(answer: impl Fn(Request) -> Response + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut poll = Poll::new().unwrap();
        let path = directory.path().join("control.sock");
        let mut server = ControlServer::bind(&path, poll.registry(), Token(0)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut events = Events::with_capacity(8);
            while !stopped.load(Ordering::Relaxed) {
                poll.poll(&mut events, Some(Duration::from_millis(10)))
                    .unwrap();
                for event in &events {
                    for (from, request) in server.ready(event.token()) {
                        server.reply(from, &answer(request));
                    }
                }
            }
        });
        Self {
            directory,
            stop,
            thread: Some(thread),
        }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let directory = self.directory.path().to_str().unwrap();
        vswsup(&[&["--runtime-dir", directory], arguments].concat())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

fn instance(instance: InstanceId, state: InstanceState) -> InstanceReport {
    InstanceReport {
        instance,
        state,
        pid: Some(7),
        program: PathBuf::from("/usr/lib/vswsup/vswitch"),
        version: Some("0.1.0".to_owned()),
        dpdk: None,
        since: SystemTime::UNIX_EPOCH,
        devices_mapped: 2,
        start_phases: Vec::new(),
        uplink: None,
    }
}

fn status(spare: bool, standby: InstanceState) -> StatusReport {
    StatusReport {
        term: 5,
        active: Some(InstanceId::A),
        spare,
        alone: false,
        pinned: false,
        trouble: Vec::new(),
        moving: None,
        instances: vec![
            instance(InstanceId::A, InstanceState::Active),
            instance(InstanceId::B, standby),
        ],
        steering: None,
        devices: 2,
        ports: 2,
        supervisor_pid: 6,
        supervisor_version: "0.1.0".to_owned(),
    }
}

fn well() -> StatusReport {
    status(true, InstanceState::Standby)
}

#[test]
fn usage_is_2_and_help_is_0() {
    for arguments in [
        &["no-such-verb"][..],
        &[],
        &["port", "add", "vm1"],
        &["--bad", "status"],
    ] {
        let output = vswsup(arguments);
        assert_eq!(status_of(&output), 2, "{arguments:?}");
        assert!(stdout(&output).is_empty());
        assert!(stderr(&output).contains("Usage:"), "{}", stderr(&output));
    }
    let help = vswsup(&["--help"]);
    assert_eq!(status_of(&help), 0);
    assert!(stdout(&help).contains("Exit status: 0 done"));
}

#[test]
fn not_running_is_3_and_says_where_it_looked() {
    let directory = tempfile::tempdir().unwrap();
    let runtime_dir = directory.path().to_str().unwrap();
    for verb in [
        &["status"][..],
        &["promote"],
        &["port", "list"],
        &["history"],
        &["reload"],
    ] {
        let output = vswsup(&[&["--json", "--runtime-dir", runtime_dir], verb].concat());
        assert_eq!(status_of(&output), 3, "{verb:?}");
        assert!(stdout(&output).is_empty());
        assert!(
            stderr(&output).contains("no supervisor runs"),
            "{}",
            stderr(&output)
        );
        assert!(stderr(&output).contains(runtime_dir), "{}", stderr(&output));
    }
}

#[test]
fn status_answers_in_its_first_line_and_by_its_exit_status() {
    let daemon = Daemon::answering(|_| Response::Status(well()));
    let output = daemon.ask(&["status"]);
    assert_eq!(status_of(&output), 0, "{}", stderr(&output));
    let first = stdout(&output).lines().next().unwrap();
    assert_eq!(
        first,
        "well, with a spare: a is active (term 5), b is standby"
    );
    let lacking = Daemon::answering(|_| Response::Status(status(false, InstanceState::Starting)));
    let output = lacking.ask(&["status"]);
    assert_eq!(status_of(&output), 3);
    let first = stdout(&output).lines().next().unwrap();
    assert_eq!(first, "NO SPARE: a is active (term 5), b is starting");
}

#[test]
fn json_is_the_report_and_nothing_else() {
    let daemon = Daemon::answering(|_| Response::Status(well()));
    let output = daemon.ask(&["status", "--json"]);
    assert!(stderr(&output).is_empty());
    let report: StatusReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report, well());
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["active"], "a");
    assert_eq!(value["instances"][1]["state"], "standby");
}

#[test]
fn a_refusal_is_1_and_a_failure_that_hurt_is_5() {
    for (traffic_affected, exit) in [(false, 1), (true, 5)] {
        let daemon = Daemon::answering(move |request| {
            assert_eq!(request, Request::Promote { reconnect: true });
            Response::Failed(Failure {
                reason: "instance b refused to prepare: no memory".to_owned(),
                traffic_affected,
                discarded: 3,
            })
        });
        let output = daemon.ask(&["promote", "--reconnect", "--json"]);
        assert_eq!(status_of(&output), exit);
        assert!(
            stderr(&output).contains("no memory (at most 3 packets were lost"),
            "{}",
            stderr(&output)
        );
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["failed"]["discarded"], 3);
    }
}

#[test]
fn a_promote_tells_how_it_went() {
    let daemon = Daemon::answering(|_| {
        Response::Promoted(PromoteReport {
            term: 6,
            from: InstanceId::A,
            to: InstanceId::B,
            reconnect: false,
            freeze_us: Some(4.25),
            total_us: 2_100,
            phases: vec![Phase {
                name: "prepare".to_owned(),
                us: 900,
                at_us: Some(0),
            }],
            drained: 12,
        })
    });
    let output = daemon.ask(&["promote"]);
    assert_eq!(status_of(&output), 0);
    assert_eq!(
        stdout(&output),
        "b is active (term 6), a was, freeze 4.2 µs, 2ms 100us in all, 12 packets drained\n\
         prepare 900 µs\n"
    );
}

#[test]
fn an_unknown_name_is_4() {
    let daemon = Daemon::answering(|request| {
        assert_eq!(
            request,
            Request::DeviceShow {
                port: "vm7".to_owned()
            }
        );
        Response::Unknown {
            what: "port `vm7`".to_owned(),
        }
    });
    let output = daemon.ask(&["device", "show", "vm7"]);
    assert_eq!(status_of(&output), 4);
    assert!(stderr(&output).contains("there is no port `vm7`"));
}

#[test]
fn a_socket_of_a_new_port_is_sent_as_an_absolute_path() {
    let daemon = Daemon::answering(|request| {
        let Request::PortAdd { port } = request else {
            panic!("{request:?}")
        };
        assert!(
            port.socket.is_absolute() && port.socket.ends_with("vm1.sock"),
            "{port:?}"
        );
        Response::Done
    });
    let output = daemon.ask(&[
        "port", "add", "vm1", "--socket", "vm1.sock", "--mode", "client",
    ]);
    assert_eq!(status_of(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).is_empty());
}

#[test]
fn history_is_a_table_of_moves() {
    let daemon = Daemon::answering(|request| {
        assert_eq!(request, Request::History { limit: 3 });
        Response::History(vec![HistoryEntry {
            time: SystemTime::UNIX_EPOCH,
            kind: MoveKind::Promote,
            term: 5,
            from: Some(InstanceId::A),
            to: Some(InstanceId::B),
            cause: "asked for".to_owned(),
            outcome: Outcome::Failed("b died".to_owned()),
            freeze_us: None,
            total_us: Some(1200),
            discarded: 0,
            failover: None,
            phases: Vec::new(),
        }])
    });
    let output = daemon.ask(&["history", "--limit", "3"]);
    let line = stdout(&output).lines().nth(1).unwrap();
    let fields: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        fields,
        [
            "1970-01-01T00:00:00.000Z",
            "promote",
            "5",
            "a",
            "b",
            "-",
            "1200",
            "0",
            "failed:",
            "b",
            "died",
            "asked",
            "for"
        ]
    );
}

#[test]
fn wait_ends_with_the_spare_or_with_3() {
    let daemon = Daemon::answering(|_| Response::Status(well()));
    assert_eq!(status_of(&daemon.ask(&["wait"])), 0);
    let lacking = Daemon::answering(|_| Response::Status(status(false, InstanceState::Mapping)));
    let output = lacking.ask(&["wait", "--timeout", "200ms"]);
    assert_eq!(status_of(&output), 3);
    assert!(
        stderr(&output).contains("no spare after 200ms: NO SPARE"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn another_user_is_refused_by_the_socket_and_by_the_daemon() {
    assert!(
        Uid::effective().is_root(),
        "this test becomes another user, so it must run as root"
    );
    let daemon = Daemon::answering(|_| Response::Status(well()));
    let directory = daemon.directory.path();
    // Where the other user can get at it.
    let program = directory.join("vswsup");
    fs::copy(env!("CARGO_BIN_EXE_vswsup"), &program).unwrap();
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    let ask_as_nobody = || {
        let mut command = Command::new(&program);
        command
            .arg("--runtime-dir")
            .arg(directory)
            .arg("status")
            .uid(65534)
            .gid(65534);
        command.output().unwrap()
    };
    let refused = ask_as_nobody();
    assert_eq!(status_of(&refused), 1);
    assert!(stderr(&refused).contains("permission denied; run this as root"));
    let socket = directory.join("control.sock");
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let unanswered = ask_as_nobody();
    assert_eq!(status_of(&unanswered), 3);
    assert!(
        stderr(&unanswered).contains("without an answer"),
        "{}",
        stderr(&unanswered)
    );
    assert_eq!(status_of(&daemon.ask(&["status"])), 0);
}

fn write_config(directory: &Path, more: &str) -> String {
    let file = directory.join("vswsup.toml");
    let runtime_dir = directory.join("run");
    let text = format!(
        "[supervisor]\nruntime_dir = \"{}\"\n[vswitch]\nprogram = \"/bin/true\"\nlanes = [0]\n\
         memory = \"1MiB\"\nhugepages = false\n{more}",
        runtime_dir.display()
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn check_prints_a_line_for_each_finding_and_fails_with_any_problem() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_config(directory.path(), "");
    let output = vswsup(&["check", "--config", &file]);
    assert_eq!(
        status_of(&output),
        0,
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stdout(&output)
            .lines()
            .all(|line| line.starts_with("ok ") || line.starts_with("note ")),
        "{}",
        stdout(&output)
    );
    for note in [
        "host.iommu",
        "host.vfs",
        "host.hugepages",
        "steering.sriov-mac",
    ] {
        let start = format!("note     {note}: ");
        assert!(
            stdout(&output).lines().any(|line| line.starts_with(&start)),
            "no {note}: {}",
            stdout(&output)
        );
    }
    let uplinks = "[uplink]\na = \"net_af_packet0,iface=not-here-0\"\nb = \"ffff:ff:1f.7\"\n\
                   [steering]\nbackend = \"none\"\n";
    let file = write_config(directory.path(), uplinks);
    let output = vswsup(&["check", "--config", &file]);
    assert_eq!(status_of(&output), 1);
    let problem = |key: &str| {
        let lines = stdout(&output).lines();
        lines
            .filter(|line| line.starts_with("problem "))
            .find(|line| line.contains(key))
            .unwrap()
    };
    let netdev = problem("vswsup.toml:9:5: uplink.a: ");
    assert!(
        netdev.contains("no network device `not-here-0`; `ip link` lists"),
        "{netdev}"
    );
    let pci = problem("vswsup.toml:10:5: uplink.b: ");
    assert!(
        pci.contains("no PCI device ffff:ff:1f.7; `lspci -D` lists"),
        "{pci}"
    );
    let json = vswsup(&["check", "--json", "--config", &file]);
    let findings: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let finding = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "uplink.b")
        .unwrap();
    assert_eq!(
        (&finding["ok"], &finding["line"]),
        (&false.into(), &10.into())
    );
}

#[test]
fn a_wrong_configuration_is_1_for_check_and_run_alike() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_config(directory.path(), "pol = \"busy\"\n");
    for verb in ["check", "run"] {
        let output = vswsup(&[verb, "--config", &file]);
        assert_eq!(status_of(&output), 1);
        let message = stderr(&output);
        assert!(
            message.contains(&format!("{file}:8:1: vswitch.pol: unknown key")),
            "{message}"
        );
    }
}

#[test]
fn run_starts_nothing_on_a_host_that_lacks_something() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("vm1.sock");
    let owner = UnixListener::bind(&taken).unwrap();
    let port = format!(
        "[[port]]\nname = \"vm1\"\nsocket = \"{}\"\n",
        taken.display()
    );
    let file = write_config(directory.path(), &port);
    let output = vswsup(&["run", "--config", &file]);
    assert_eq!(status_of(&output), 1);
    let message = stderr(&output);
    assert!(
        message.contains(&format!("{file}:10:10: port[0].socket: ")),
        "{message}"
    );
    assert!(
        message.contains("in use by another process; stop that process"),
        "{message}"
    );
    drop(owner);
}

#[test]
fn a_second_supervisor_is_refused_and_a_check_beside_the_first_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_config(directory.path(), "");
    let first = RuntimeDir::claim(&directory.path().join("run")).unwrap();
    let second = vswsup(&["run", "--config", &file]);
    assert_eq!(status_of(&second), 1);
    let message = stderr(&second);
    let pid = std::process::id();
    assert!(
        message.contains(&format!("a supervisor (pid {pid}) already runs in")),
        "{message}"
    );
    assert!(message.contains("supervisor.runtime_dir"), "{message}");
    let check = vswsup(&["check", "--config", &file]);
    assert_eq!(status_of(&check), 0, "{}", stdout(&check));
    assert!(
        stderr(&check).contains("a supervisor runs here"),
        "{}",
        stderr(&check)
    );
    drop(first);
}

#[test]
fn completion_is_written_for_a_shell() {
    let output = vswsup(&["completion", "bash"]);
    assert_eq!(status_of(&output), 0);
    assert!(
        stdout(&output).contains("complete -F _vswsup"),
        "{}",
        stdout(&output)
    );
}
