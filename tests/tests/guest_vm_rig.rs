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

use vswsup_tests::guest_vm::{
    GuestReport, GuestVm, GuestVmConfig, HostPing, PingReport, Process, SocketMode,
};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const EVERY: Duration = Duration::from_millis(2);
const QUIET: Duration = Duration::from_secs(3);
const RECONNECT: SocketMode = SocketMode::Client {
    reconnect: Some(Duration::from_secs(1)),
};

/// Each test wants both cores for itself.
static TURN: Mutex<()> = Mutex::new(());

/// A namespace with a veth pair: `switch` for testpmd and `host` with an address. Gone when dropped.
struct Wire {
    namespace: String,
}

impl Wire {
    fn new(name: &str) -> Wire {
        let namespace = format!("vswsup-{name}-{}", std::process::id());
        ip(&format!("netns add {namespace}"));
        let wire = Wire { namespace };
        wire.ip("link add switch type veth peer name host");
        wire.ip("link set switch up");
        wire.ip("link set host up");
        wire.ip(&format!("address add {HOST}/24 dev host"));
        wire
    }

    fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.namespace));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .status();
    }
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
    wire: Wire,
    socket: PathBuf,
    mode: SocketMode,
}

impl Switch {
    fn start(wire: Wire, socket: PathBuf, mode: SocketMode) -> Switch {
        let process = start_testpmd(&wire, &socket, mode);
        let switch = Switch {
            process,
            wire,
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
        self.process = start_testpmd(&self.wire, &self.socket, self.mode);
    }
}

fn start_testpmd(wire: &Wire, socket: &Path, mode: SocketMode) -> Process {
    let client = u8::from(mode == SocketMode::Server);
    let vhost = format!("net_vhost0,iface={},client={client}", socket.display());
    let arguments = [
        &["netns", "exec", &wire.namespace, "dpdk-testpmd"][..],
        &["--no-huge", "-m", "128", "--no-pci", "--no-telemetry"],
        &["-l", "0,1", "--file-prefix", &wire.namespace],
        &["--vdev", &vhost, "--vdev", "net_af_packet0,iface=switch"],
        &["--", "--auto-start", "--no-flush-rx"],
        &["--total-num-mbufs=8192"],
    ];
    let log = socket.with_extension("testpmd.log");
    Process::start("ip", arguments.concat(), &log).expect("testpmd starts")
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
        let wire = Wire::new(name);
        let config = GuestVmConfig::new(&socket, mode, directory.path());
        let (vm, switch) = match mode {
            SocketMode::Server => {
                let vm = GuestVm::spawn(config).expect("QEMU starts");
                let switch = Switch::start(wire, socket, mode);
                (vm.wait_ready().expect("guest boots"), switch)
            }
            SocketMode::Client { .. } => {
                let switch = Switch::start(wire, socket, mode);
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
        let namespace = &self.switch.wire.namespace;
        let watch = self.vm.watch(HOST, EVERY).expect("watch");
        let host = HostPing::start(Some(namespace), guest, EVERY).expect("host ping");
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

    let ratio = bench.vm.clock_ratio(Duration::from_secs(1)).expect("clock");
    assert!(
        (0.9..1.1).contains(&ratio),
        "the guest's clock runs at {ratio}"
    );

    let (guest, host) = bench.watch_quiet();
    eprintln!("{name}: quiet: {guest:?}\n{name}: quiet: from the host: {host:?}");
    assert!(guest.unnoticed(), "{guest:#?}");
    assert!(guest.ping_sent > 500, "{guest:#?}");
    assert_eq!(host.lost() + host.doubled, 0, "{host:#?}");
    assert!(host.sent > 500, "{host:#?}");

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
fn qemu_as_client_without_reconnect_stays_without_carrier() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bench = Bench::new("once", SocketMode::Client { reconnect: None });
    wait_until_connected(&bench.vm);
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

#[test]
fn commands_in_the_guest_have_a_status_and_a_time_limit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let bench = Bench::new("commands", RECONNECT);
    let second = Duration::from_secs(1);
    assert_eq!(
        bench.vm.run("echo one\necho two >&2").expect("run"),
        "one\ntwo\n"
    );
    assert_eq!(bench.vm.outcome("exit 3", second).expect("run").status, 3);
    assert_eq!(
        bench.vm.outcome("sleep 30", second).expect("run").status,
        137
    );
    let long = bench.vm.run("seq 20000").expect("run");
    assert_eq!(long.lines().last(), Some("20000"));
    assert!(
        bench
            .vm
            .kernel_log()
            .expect("dmesg")
            .contains("Linux version 6.1")
    );
    let status = bench
        .vm
        .qmp()
        .execute("query-status", serde_json::json!({}));
    assert_eq!(status.expect("QMP")["status"], "running");
}
