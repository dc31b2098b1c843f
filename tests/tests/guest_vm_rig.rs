//! Proof of the guest rig itself: with `dpdk-testpmd` as back end it must see nothing while nothing
//! happens, and a disconnect, carrier changes and lost pings when testpmd is killed and restarted.
//!
//! Needs root, QEMU and dpdk (scripts/packages); fails with the reason where they are missing.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

use vswsup_tests::guest_vm::{
    Artifacts, GuestReport, GuestVm, GuestVmConfig, HostPing, PingReport, Process, SocketMode,
};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const EVERY: Duration = Duration::from_millis(2);
const QUIET: Duration = Duration::from_secs(2);
const RECONNECT: SocketMode = SocketMode::Client {
    reconnect: Some(Duration::from_secs(1)),
};

/// Each test wants both cores for itself.
static TURN: Mutex<()> = Mutex::new(());

/// Moves the calling thread into a network namespace of its own, which ends with it and its children,
/// and makes a veth pair: `switch` for testpmd, and `host` with an address.
fn make_wire() {
    unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
    ip("link add switch type veth peer name host");
    ip("link set switch up");
    ip("link set host up");
    ip(&format!("address add {HOST}/24 dev host"));
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.expect("iproute2 is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ip {arguments} (as root): {errors}"
    );
}

/// testpmd between a vhost-user socket and a wire.
struct Switch {
    process: Process,
    socket: PathBuf,
    mode: SocketMode,
}

impl Switch {
    fn start(socket: PathBuf, mode: SocketMode) -> Switch {
        let process = start_testpmd(&socket, mode);
        let switch = Switch {
            process,
            socket,
            mode,
        };
        if switch.listens() {
            wait_for("testpmd's socket", || switch.socket.exists());
        }
        switch
    }

    fn listens(&self) -> bool {
        self.mode != SocketMode::Server
    }

    /// kill -9. Also takes away the socket that it leaves behind.
    fn kill(&mut self) {
        self.process.kill();
        if self.listens() {
            std::fs::remove_file(&self.socket).expect("testpmd's socket");
        }
    }

    fn start_again(&mut self) {
        self.process = start_testpmd(&self.socket, self.mode);
    }
}

fn start_testpmd(socket: &Path, mode: SocketMode) -> Process {
    let client = u8::from(mode == SocketMode::Server);
    let vhost = format!("net_vhost0,iface={},client={client}", socket.display());
    // DPDK's own files go where the test's are.
    let directory = socket.parent().expect("socket in a directory");
    let runtime = format!("RUNTIME_DIRECTORY={}", directory.display());
    let arguments = [
        &[&runtime, "dpdk-testpmd", "--no-huge", "-m", "128"][..],
        &["--no-pci", "--no-telemetry", "-l", "0,1"],
        &["--vdev", &vhost, "--vdev", "net_af_packet0,iface=switch"],
        &["--", "--auto-start", "--no-flush-rx"],
        &["--total-num-mbufs=8192"],
    ];
    let log = socket.with_extension("testpmd.log");
    Process::start("env", arguments.concat(), &log).expect("testpmd starts")
}

/// One guest and its switch. Dropped in this order.
struct Bench {
    vm: GuestVm,
    switch: Switch,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(name: &str, mode: SocketMode) -> Bench {
        let directory = tempfile::tempdir().expect("temporary directory");
        let socket = directory.path().join("vhost.sock");
        Artifacts::prepare().expect("kernel and initramfs");
        make_wire();
        let config = GuestVmConfig::new(&socket, mode, directory.path());
        let (vm, switch) = match mode {
            SocketMode::Server => {
                let vm = GuestVm::spawn(config).expect("QEMU starts");
                let switch = Switch::start(socket, mode);
                (vm.wait_ready().expect("guest boots"), switch)
            }
            SocketMode::Client { .. } => {
                let switch = Switch::start(socket, mode);
                (GuestVm::boot(config).expect("guest boots"), switch)
            }
        };
        let (version, boot_time) = (vm.version(), vm.boot_time());
        eprintln!("{name}: QEMU {version}, booted in {boot_time:?}");
        Bench {
            vm,
            switch,
            _directory: directory,
        }
    }

    fn watch_quiet(&self) -> (GuestReport, PingReport) {
        let guest = self.vm.config().ip;
        let watch = self.vm.watch(HOST, EVERY).expect("watch");
        let host = HostPing::start(guest, EVERY).expect("host ping");
        thread::sleep(QUIET);
        let host = host.finish().expect("host report");
        (watch.finish().expect("report"), host)
    }
}

fn wait_until_connected(vm: &GuestVm) {
    wait_for("the guest to reach the host", || {
        vm.has_carrier().expect("carrier") && vm.run(&format!("ping -c 1 -W 1 {HOST}")).is_ok()
    });
}

fn wait_for_disconnects(vm: &GuestVm, count: u64) {
    wait_for("the disconnect", || {
        vm.disconnects().expect("trace") >= count
    });
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{what} did not come"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn notices_nothing_and_then_a_restart(name: &str, mode: SocketMode) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bench = Bench::new(name, mode);
    wait_until_connected(&bench.vm);

    let ratio = bench.vm.clock_ratio(Duration::from_secs(2)).expect("clock");
    assert!(
        (0.8..1.25).contains(&ratio),
        "the guest's clock runs at {ratio}"
    );

    let (guest, host) = bench.watch_quiet();
    eprintln!("{name}: quiet: {guest:?}\n{name}: quiet: from the host: {host:?}");
    assert!(guest.unnoticed(), "{guest:#?}");
    assert!(guest.ping_sent > 200, "{guest:#?}");
    assert_eq!(host.lost() + host.doubled, 0, "{host:#?}");
    assert!(host.sent > 200, "{host:#?}");

    let watch = bench.vm.watch(HOST, EVERY).expect("watch");
    thread::sleep(Duration::from_millis(500));
    bench.switch.kill();
    wait_for_disconnects(&bench.vm, 1);
    bench.switch.start_again();
    wait_until_connected(&bench.vm);
    let guest = watch.finish().expect("report");
    eprintln!("{name}: testpmd killed and restarted: {guest:?}");
    assert!(!guest.unnoticed());
    assert!(guest.disconnect_events >= 1, "{guest:#?}");
    assert!(guest.carrier_changes >= 2, "{guest:#?}");
    assert!(guest.lost > 0, "{guest:#?}");
    assert!(guest.longest_gap_ms > 100.0, "{guest:#?}");
}

#[test]
fn qemu_as_server_sees_a_restart_and_only_that() {
    notices_nothing_and_then_a_restart("server", SocketMode::Server);
}

#[test]
fn qemu_as_client_sees_a_restart_and_only_that() {
    notices_nothing_and_then_a_restart("client", RECONNECT);
}

#[test]
fn commands_work_and_a_client_without_reconnect_stays_without_carrier() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bench = Bench::new("once", SocketMode::Client { reconnect: None });
    wait_until_connected(&bench.vm);
    commands_have_a_status_and_a_time_limit(&bench.vm);

    let carrier_changes = bench.vm.carrier_changes().expect("carrier changes");
    bench.switch.kill();
    wait_for("the loss of carrier", || {
        !bench.vm.has_carrier().expect("carrier")
    });
    bench.switch.start_again();
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(bench.vm.connects().expect("trace"), 1);
    assert_eq!(bench.vm.disconnects().expect("trace"), 1);
    assert_eq!(
        bench.vm.carrier_changes().expect("carrier changes"),
        carrier_changes + 1
    );
}

fn commands_have_a_status_and_a_time_limit(vm: &GuestVm) {
    let second = Duration::from_secs(1);
    assert_eq!(vm.run("echo one\necho two >&2").expect("run"), "one\ntwo\n");
    assert_eq!(vm.outcome("exit 3", second).expect("run").status, 3);
    assert_eq!(vm.outcome("sleep 30", second).expect("run").status, 137);
    assert_eq!(
        vm.run("seq 20000").expect("run").lines().last(),
        Some("20000")
    );
    assert!(vm.kernel_log().expect("dmesg").contains("Linux version"));
    let status = vm.qmp().execute("query-status", serde_json::json!({}));
    assert_eq!(status.expect("QMP")["status"], "running");
    vm.qmp()
        .execute("no-such-command", serde_json::json!({}))
        .expect_err("refused");
}
