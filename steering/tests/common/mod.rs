//! What the tests share: a network namespace of their own, with a NIC and two ports in it.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod frames;
pub(crate) mod load;
pub(crate) mod netdevsim;
pub(crate) mod notices;

use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use steering::{Steering, SteeringConfig};

/// Runs `test` in a thread with a network namespace, which ends with the thread, whatever happens.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("a network namespace: this test needs root (CAP_SYS_ADMIN)");
        test();
    };
    if let Err(panic) = thread::spawn(inside).join() {
        std::panic::resume_unwind(panic);
    }
}

/// As [`in_namespace`], with the software NIC's devices:
/// `wire`-`nic0` is the cable, `vf0`-`vf0i` and `vf1`-`vf1i` lead to the instances.
pub(crate) fn with_rig(test: impl FnOnce() + Send + 'static) {
    in_namespace(|| {
        veth("wire", "nic0");
        veth("vf0", "vf0i");
        veth("vf1", "vf1i");
        test();
    });
}

/// As [`in_namespace`], with the bridge `br0`: its ports are `nic0`, whose cable is `wire`, and `vf0`
/// and `vf1`, which lead to `vf0i` and `vf1i`.
pub(crate) fn with_bridge(test: impl FnOnce() + Send + 'static) {
    with_rig(|| {
        sh("ip link add br0 type bridge mcast_snooping 0");
        sh("ip link set br0 up");
        for port in ["nic0", "vf0", "vf1"] {
            sh(&format!("ip link set {port} master br0"));
        }
        test();
    });
}

/// Makes a veth pair and sets it up.
pub(crate) fn veth(one: &str, other: &str) {
    sh(&format!("ip link add {one} type veth peer name {other}"));
    sh(&format!("ip link set {one} up"));
    sh(&format!("ip link set {other} up"));
}

/// Runs a command line, which must succeed, and returns its stdout.
pub(crate) fn sh(line: &str) -> String {
    let mut words = line.split(' ');
    let program = words.next().expect("a program");
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|e| panic!("{program}, which this test needs: {e}"));
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The configuration of the rig.
pub(crate) fn config() -> SteeringConfig {
    parse(
        r#"backend = "ebpf"
nic = "nic0"
ports = { a = "vf0", b = "vf1" }"#,
    )
}

/// A configuration that must be valid.
pub(crate) fn parse(toml: &str) -> SteeringConfig {
    toml::from_str(toml).expect("a valid configuration")
}

/// Opens the rig's backend, which must succeed.
pub(crate) fn open() -> Box<dyn Steering> {
    config().open().unwrap_or_else(|error| panic!("{error}"))
}

/// The configuration of the bridge's rig.
pub(crate) fn bridge_config() -> SteeringConfig {
    parse(
        r#"backend = "bridge-fdb"
ports = { a = "vf0", b = "vf1" }"#,
    )
}

/// Opens the bridge, which must succeed.
pub(crate) fn open_bridge() -> Box<dyn Steering> {
    bridge_config()
        .open()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The configuration of switchdev steering that the kernel carries out, between the rig's devices.
pub(crate) fn flower_config() -> SteeringConfig {
    flower_config_of("nic0", "vf0", "vf1")
}

/// The same between other devices.
pub(crate) fn flower_config_of(uplink: &str, a: &str, b: &str) -> SteeringConfig {
    parse(&format!(
        r#"backend = "tc-flower"
uplink = "{uplink}"
ports = {{ a = "{a}", b = "{b}" }}
hardware = false"#
    ))
}

/// Opens it, which must succeed.
pub(crate) fn open_flower() -> Box<dyn Steering> {
    flower_config()
        .open()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// All that tc knows about the rig's devices.
pub(crate) fn tc_state() -> String {
    tc_state_of(["nic0", "vf0", "vf1"])
}

/// All that tc knows about these devices.
pub(crate) fn tc_state_of(devices: [&str; 3]) -> String {
    let of = |device| {
        let ingress = sh(&format!("tc filter show dev {device} ingress"));
        let egress = sh(&format!("tc filter show dev {device} egress"));
        sh(&format!("tc qdisc show dev {device}")) + &ingress + &egress
    };
    devices.map(of).concat()
}
