//! Hosts start and stop VMs all day: ports come and go while others carry traffic.

mod support;

use std::fs::OpenOptions;
use std::io::Write;
use support::record::command;
use support::{PATIENCE, assert_without_a_trace, measured, steady, three_flows};
use vswsup_tests::emulator::{GuestSpec, Report, Socket};
use vswsup_tests::rig::{Rig, RigConfig};

const ROUNDS: usize = 5;

#[test]
fn ports_come_and_go_and_nobody_notices() {
    let report = measured(add_and_remove);
    ["VM to VM", "uplink to VM", "VM to uplink"]
        .iter()
        .for_each(|name| {
            assert_without_a_trace(report.flow(name).unwrap());
        });
}

fn add_and_remove() -> Report {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let supervisor = rig.supervisor();
    let mut running = three_flows(&rig, steady);
    let socket = rig.dir().join("late.sock");
    let path = socket.to_str().unwrap();
    for round in 0..ROUNDS {
        command(&rig, &["port", "add", "late", "--socket", path]);
        let name = format!("late {round}");
        running
            .add_guest(&name, &GuestSpec::idle(Socket::Client(socket.clone())))
            .unwrap();
        running.wait_for_links(PATIENCE).unwrap();
        supervisor.wait_for_spare(PATIENCE).unwrap();
        command(&rig, &["promote"]);
        running.remove(&name).unwrap();
        command(&rig, &["port", "del", "late"]);
        assert!(!socket.exists(), "its socket is gone");
        supervisor.wait_for_spare(PATIENCE).unwrap();
    }
    running.stop().unwrap()
}

#[test]
fn reload_applies_what_was_added_to_the_file_and_removed_from_it() {
    let rig = Rig::start(&RigConfig {
        uplink: false,
        ..RigConfig::guests(1)
    })
    .unwrap();
    let supervisor = rig.supervisor();
    let before = std::fs::read_to_string(supervisor.config()).unwrap();
    let socket = rig.dir().join("new.sock");
    let mut file = OpenOptions::new()
        .append(true)
        .open(supervisor.config())
        .unwrap();
    write!(file, "\n[[port]]\nname = \"new\"\nsocket = {socket:?}\n").unwrap();
    command(&rig, &["reload"]);
    assert!(socket.exists());
    std::fs::write(supervisor.config(), before).unwrap();
    command(&rig, &["reload"]);
    assert!(!socket.exists());
}

#[test]
fn a_promote_with_reconnect_brings_every_guest_back() {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let running = three_flows(&rig, steady);
    command(&rig, &["promote", "--reconnect"]);
    running.wait_for_links(PATIENCE).unwrap();
    let before: Vec<_> = running
        .flows()
        .iter()
        .map(|flow| flow.counters.received.get())
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let report = running.stop().unwrap();
    for (flow, before) in report.flows.iter().zip(before) {
        println!("{flow}");
        assert!(flow.received > before, "{} goes on", flow.name);
        assert!(
            flow.disconnects >= 1 && flow.reconnects == flow.disconnects,
            "{flow}"
        );
    }
}
