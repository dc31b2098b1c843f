//! Both instances have the same device: a handover closes it in the one and opens it in the other, and
//! guests' packets wait for it in their own rings.

mod support;

use std::process::Command;
use std::time::Duration;
use support::record::{command, refused, wait_for_successor, wait_until};
use support::{
    PATIENCE, assert_nothing_but_loss, assert_survives_deaths, assert_without_a_trace, in_hand,
    measured, three_flows, wait_until_all_receive,
};
use vswsup_tests::emulator::{FlowReport, FlowSpec, Report, Running};
use vswsup_tests::rig::{OneDevice, Rig, RigConfig, SoftwareNic};

const PROMOTES: usize = 6;
const KILLS: u64 = 4;
/// A guest's ring holds what it sends at this rate for 100 ms.
const RATE: u32 = 2_000;

fn slow(name: &str, from: &str, to: &str) -> FlowSpec {
    FlowSpec::steady(name, from, to, RATE, 64)
}

fn config() -> RigConfig {
    RigConfig {
        one_device: Some(OneDevice::Software),
        faults: true,
        more: RigConfig::DEATHS_ARE_USUAL.to_owned(),
        ..RigConfig::guests(2)
    }
}

/// What comes from the wire while nobody has the device is lost; nothing else is.
fn assert_only_the_wire_loses(flow: &FlowReport) {
    assert_nothing_but_loss(flow);
    if flow.name != "uplink to VM" {
        assert_eq!(flow.lost, 0, "{flow}");
    }
}

#[test]
fn promotes_lose_nothing_of_the_guests() {
    let report = measured(promotes);
    report.flows.iter().for_each(assert_only_the_wire_loses);
}

fn promotes() -> Report {
    let rig = Rig::start(&config()).unwrap();
    let running = three_flows(&rig, slow);
    for _ in 0..PROMOTES {
        let outcome = command(&rig, &["promote", "--json"]);
        let to = outcome.json().unwrap()["to"].clone();
        let status = rig.supervisor().status().unwrap();
        assert_eq!(status["active"], to);
        assert_eq!(status["steering"]["backend"], "restart");
        assert_eq!(status["steering"]["current"], to, "{status}");
        wait_until_all_receive(&rig, &running);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    }
    assert_blame_tells_of_the_uplink(&rig);
    running.stop().unwrap()
}

/// The device is not open in two instances, nor in none, and what took how long is told.
fn assert_blame_tells_of_the_uplink(rig: &Rig) {
    let outcome = rig.supervisor().command(&["blame", "--json"]).unwrap();
    let timelines = outcome.json().unwrap();
    let timelines = timelines.as_array().unwrap();
    let last = timelines.last().unwrap();
    assert!(
        last["what"].as_str().unwrap().starts_with("promote from"),
        "{last}"
    );
    let phases = last["phases"].as_array().unwrap();
    for name in [
        "prepare",
        "steer",
        "uplink close",
        "uplink open",
        "uplink start",
    ] {
        let phase = phases.iter().find(|phase| phase["name"] == name);
        let phase = phase.unwrap_or_else(|| panic!("no {name} in {last}"));
        assert!(phase["at_us"].is_u64(), "{phase}");
    }
}

#[test]
fn a_standby_that_cannot_open_the_device_gives_it_back() {
    let report = measured(|| {
        let rig = Rig::start(&config()).unwrap();
        let supervisor = rig.supervisor();
        let running = three_flows(&rig, slow);
        rig.set_faults("b open refuse\n").unwrap();
        refused(&rig, &["promote"], "b refuses to open");
        assert_eq!(supervisor.status().unwrap()["active"], "a");
        wait_until_all_receive(&rig, &running);
        rig.set_faults("").unwrap();
        supervisor.wait_for_spare(PATIENCE).unwrap();
        command(&rig, &["promote"]);
        wait_until_all_receive(&rig, &running);
        running.stop().unwrap()
    });
    report.flows.iter().for_each(assert_only_the_wire_loses);
}

#[test]
fn a_standby_that_dies_while_it_opens_the_device_is_replaced() {
    let report = measured(|| {
        let rig = Rig::start(&config()).unwrap();
        let supervisor = rig.supervisor();
        let running = three_flows(&rig, slow);
        rig.set_faults("b open die\n").unwrap();
        refused(&rig, &["promote"], "");
        assert_eq!(supervisor.status().unwrap()["active"], "a");
        rig.set_faults("").unwrap();
        wait_until_all_receive(&rig, &running);
        supervisor.wait_for_spare(PATIENCE).unwrap();
        running.stop().unwrap()
    });
    report.flows.iter().for_each(assert_only_the_wire_loses);
}

#[test]
fn the_successor_of_a_dead_one_opens_the_device() {
    let report = measured(|| {
        let rig = Rig::start(&config()).unwrap();
        let running = three_flows(&rig, slow);
        for _ in 0..KILLS {
            let before = rig.operator().serving_process().unwrap();
            rig.set_faults("* lane kill\n").unwrap();
            wait_for_successor(&rig, before);
            wait_until_all_receive(&rig, &running);
            rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        }
        running.stop().unwrap()
    });
    for flow in &report.flows {
        assert_survives_deaths(flow, KILLS);
        if flow.name == "VM to VM" {
            assert!(flow.lost <= in_hand(KILLS), "{flow}");
        }
    }
}

/// Also the next supervisor finds out who has the device, and a promote after that moves it.
#[test]
fn the_next_supervisor_knows_where_the_device_is() {
    let report = measured(|| {
        let mut rig = Rig::start(&config()).unwrap();
        let running = three_flows(&rig, slow);
        rig.supervisor_mut().kill().unwrap();
        rig.supervisor_mut().start_again().unwrap();
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        let status = rig.supervisor().status().unwrap();
        assert_eq!(status["steering"]["current"], status["active"], "{status}");
        command(&rig, &["promote"]);
        wait_until_all_receive(&rig, &running);
        running.stop().unwrap()
    });
    report.flows.iter().for_each(assert_only_the_wire_loses);
}

/// Nobody is asked: it is closed, so that the kernel could have it, tried again and again without holding
/// guests up, and open again when it is back.
#[test]
fn a_device_that_went_is_opened_again_when_it_is_back() {
    let report = measured(|| {
        let rig = Rig::start(&config()).unwrap();
        let running = three_flows(&rig, slow);
        let before = processes(&rig);
        rename(SoftwareNic::NIC, "away");
        wait_until(&rig, "it is missed", || {
            has_trouble(&rig, "no network device")
        });
        wait_until(&rig, "it cannot be opened", || {
            has_trouble(&rig, "steering: ")
        });
        let (refused, received) = guest_to_guest(&running);
        std::thread::sleep(Duration::from_secs(3));
        let (refused_then, received_then) = guest_to_guest(&running);
        assert_eq!(refused_then, refused, "each try holds guests up");
        assert!(
            received_then - received > u64::from(RATE),
            "{received_then}"
        );
        rename("away", SoftwareNic::NIC);
        wait_until_all_receive(&rig, &running);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        assert_eq!(processes(&rig), before, "nobody has died of it");
        running.stop().unwrap()
    });
    assert_without_a_trace(report.flow("VM to VM").unwrap());
}

fn rename(from: &str, to: &str) {
    let renamed = Command::new("ip")
        .args(["link", "set", from, "name", to])
        .status();
    assert!(renamed.unwrap().success(), "{from} to {to}");
}

fn has_trouble(rig: &Rig, what: &str) -> bool {
    let status = rig.supervisor().status().unwrap();
    let troubles = status["trouble"].as_array().unwrap();
    troubles
        .iter()
        .any(|trouble| trouble.as_str().unwrap().contains(what))
}

/// Frames that the sender's ring had no room for, and frames that arrived.
fn guest_to_guest(running: &Running) -> (u64, u64) {
    let report = running.report();
    let flow = report.flow("VM to VM").unwrap();
    (flow.refused, flow.received)
}

fn processes(rig: &Rig) -> Vec<serde_json::Value> {
    let status = rig.supervisor().status().unwrap();
    let instances = status["instances"].as_array().unwrap();
    instances
        .iter()
        .map(|instance| instance["pid"].clone())
        .collect()
}
