//! As `message_deaths.rs`, with QEMU as the front end: first without a guest, for what it sends when it
//! connects, then with Linux, whose driver and memory go and come again and again. The active instance dies at a
//! step of a message on the way. Every message that QEMU really sends has its turn, and every step.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

mod support;

use serde_json::json;
use std::time::Duration;
use support::PATIENCE;
use support::deaths::{self, Death, Moment, is_done_in_time};
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
const CERTAIN_OF_A_GUEST: [&str; 12] = [
    "SEND_RARP",
    "REM_MEM_REG",
    "ADD_MEM_REG",
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
/// A PCI device without a driver; its memory belongs to the guest's while its decoding is switched on.
const SHARED_MEMORY: [(&str, &str); 2] = [
    ("-object", "memory-backend-memfd,id=shared,size=2M,share=on"),
    ("-device", "ivshmem-plain,memdev=shared"),
];
/// Memory goes and comes.
const REMAP: &str = r"
    device=$(dirname $(grep -l 0x1110 /sys/bus/pci/devices/*/device))
    for command in '\0' '\2'; do
        printf $command | dd of=$device/config bs=1 seek=4 conv=notrunc 2>/dev/null
    done";
/// The driver goes and comes.
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
fn deaths_while_a_guest_changes_and_qemu_is_client() {
    die_while_a_guest_changes(CLIENT, 0);
}

#[test]
fn deaths_while_a_guest_changes_and_qemu_is_server() {
    die_while_a_guest_changes(SocketMode::Server, 4);
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
        qemu.qmp().execute("query-status", json!({})).unwrap();
    }
}

fn die_while_a_guest_changes(mode: SocketMode, turn: usize) {
    let rig = Rig::start(&RigConfig {
        uplink: true,
        wire_address: Some(HOST_ADDRESS),
        ..deaths::mortal_config(1, port_mode(mode))
    });
    let rig = rig.unwrap();
    let mut config = GuestVmConfig::new(rig.socket(1), mode, rig.dir());
    // A driver that announces itself would keep QEMU from doing so.
    config.nic_options = ["host_mtu=1500", "guest_announce=off"]
        .map(str::to_owned)
        .to_vec();
    config.devices = SHARED_MEMORY
        .map(|(option, value)| (option, value.to_owned()))
        .to_vec();
    let vm = GuestVm::boot(config).unwrap_or_else(|error| panic!("{error}"));
    rig.record_steps().unwrap();
    change(&vm, &rig);
    for (moment, how) in deaths::moments(&rig, &CERTAIN_OF_A_GUEST, turn) {
        let before = vm.disconnects().unwrap();
        let death = Death::ordered(&rig, &moment, how);
        change(&vm, &rig);
        judge(&death, || vm.disconnects().unwrap() - before);
    }
    change(&vm, &rig);
}

/// All that a guest can have QEMU say; until the guest reaches the host.
fn change(vm: &GuestVm, rig: &Rig) {
    let log = || format!("{}\n{}", vm.log_tail(), rig.supervisor().log());
    let once = json!({ "initial": 1, "max": 1, "rounds": 1, "step": 0 });
    let announced = vm.qmp().execute("announce-self", once);
    let changed = announced
        .and_then(|_| vm.run(REMAP))
        .and_then(|_| vm.run(REBIND));
    changed.unwrap_or_else(|error| panic!("{error}\n{}", log()));
    let connected = is_done_in_time(|| {
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
