//! As `message_deaths.rs`, with QEMU as the front end: first without a guest, for what it sends when it
//! connects, then with Linux, whose driver goes and comes again and again. The active instance dies at a
//! step of a message on the way. Every message that QEMU really sends has its turn, and every step.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

mod support;

use std::time::Duration;
use support::PATIENCE;
use support::deaths::{self, Death, Moment, wait_until};
use vswsup_tests::guest_vm::{GuestVm, GuestVmConfig, GuestlessQemu, SocketMode};
use vswsup_tests::rig::{Rig, RigConfig};

/// How soon QEMU connects again; QEMU before 9.2 rounds it up to a second.
const RECONNECT: Duration = Duration::from_millis(100);
const CLIENT: SocketMode = SocketMode::Client {
    reconnect: Some(RECONNECT),
};
/// Without these it would not be QEMU that was seen.
const CERTAIN_TO_CONNECT: [&str; 5] = [
    "GET_FEATURES",
    "GET_PROTOCOL_FEATURES",
    "SET_PROTOCOL_FEATURES",
    "GET_QUEUE_NUM",
    "SET_OWNER",
];
const CERTAIN_OF_A_DRIVER: [&str; 9] = [
    "SET_FEATURES",
    "NET_SET_MTU",
    "SET_VRING_NUM",
    "SET_VRING_BASE",
    "SET_VRING_ADDR",
    "SET_VRING_KICK",
    "SET_VRING_CALL",
    "SET_VRING_ENABLE",
    "GET_VRING_BASE",
];
/// The host, behind the uplink.
const HOST_ADDRESS: &str = "10.77.0.1/24";
const REBIND: &str = "
    device=$(basename $(readlink /sys/class/net/eth0/device))
    echo $device > /sys/bus/virtio/drivers/virtio_net/unbind
    echo $device > /sys/bus/virtio/drivers/virtio_net/bind
    ip address add 10.77.0.2/24 dev eth0
    ip link set eth0 up";
const PING: &str = "ping -c 1 -W 1 10.77.0.1";

#[test]
fn deaths_while_qemu_connects() {
    die_while_it_connects(CLIENT, 0);
}

#[test]
fn deaths_while_qemu_is_connected_to() {
    die_while_it_connects(SocketMode::Server, 4);
}

#[test]
fn deaths_while_a_driver_negotiates_and_qemu_is_client() {
    die_while_a_driver_negotiates(CLIENT, 0);
}

#[test]
fn deaths_while_a_driver_negotiates_and_qemu_is_server() {
    die_while_a_driver_negotiates(SocketMode::Server, 4);
}

fn die_while_it_connects(mode: SocketMode, turn: usize) {
    let rig = deaths::mortal(1, port_mode(mode));
    let config = GuestVmConfig::new(rig.socket(1), mode, rig.dir());
    let start = |moment: &Moment| {
        let qemu = GuestlessQemu::start(&config, PATIENCE);
        qemu.unwrap_or_else(|error| panic!("{moment:?}: {error}\n{}", rig.supervisor().log()))
    };
    rig.record_steps().unwrap();
    drop(GuestlessQemu::start(&config, PATIENCE).unwrap());
    for (moment, how) in deaths::moments(&rig, &CERTAIN_TO_CONNECT, turn) {
        let death = Death::ordered(&rig, &moment, how);
        let qemu = start(&moment);
        judge(&death, || qemu.disconnects().unwrap());
    }
}

fn die_while_a_driver_negotiates(mode: SocketMode, turn: usize) {
    let rig = Rig::start(&RigConfig {
        uplink: true,
        wire_address: Some(HOST_ADDRESS),
        ..deaths::mortal_config(1, port_mode(mode))
    });
    let rig = rig.unwrap();
    let mut config = GuestVmConfig::new(rig.socket(1), mode, rig.dir());
    config.nic_options = vec!["host_mtu=1500".to_owned()];
    let vm = GuestVm::boot(config).unwrap_or_else(|error| panic!("{error}"));
    rig.record_steps().unwrap();
    rebind(&vm, &rig);
    for (moment, how) in deaths::moments(&rig, &CERTAIN_OF_A_DRIVER, turn) {
        let before = vm.disconnects().unwrap();
        let death = Death::ordered(&rig, &moment, how);
        rebind(&vm, &rig);
        judge(&death, || vm.disconnects().unwrap() - before);
    }
    rebind(&vm, &rig);
}

/// The driver leaves the device and takes it again; until the guest reaches the host.
fn rebind(vm: &GuestVm, rig: &Rig) {
    let log = || format!("{}\n{}", vm.log_tail(), rig.supervisor().log());
    vm.run(REBIND)
        .unwrap_or_else(|error| panic!("{error}\n{}", log()));
    let connected = wait_until(|| {
        let ping = vm.outcome(PING, PATIENCE);
        ping.is_ok_and(|ping| ping.status == 0)
    });
    assert!(connected, "the guest does not reach the host\n{}", log());
}

/// QEMU saw its connection closed if that was right, and only then.
fn judge(death: &Death<'_>, disconnects: impl Fn() -> u64) {
    let closed = u64::from(death.has_closed());
    println!("    closed: {closed}");
    assert_eq!(disconnects(), closed, "{death:?}");
}

/// The switch's end, in the words of its configuration.
fn port_mode(mode: SocketMode) -> &'static str {
    match mode {
        SocketMode::Server => "client",
        SocketMode::Client { .. } => "server",
    }
}
