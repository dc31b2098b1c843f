//! Whatever the active instance dies of, and in whichever thread, the standby takes over, no guest
//! is disconnected and all flows go on.

mod support;

use support::record::wait_until;
use support::{
    PATIENCE, assert_survives_deaths, in_hand, measured, steady, three_flows,
    wait_until_all_receive,
};
use vswsup_tests::emulator::{FlowReport, Report};
use vswsup_tests::rig::{Rig, RigConfig};

const CAUSES: [&str; 7] = ["kill", "segv", "bus", "ill", "abort", "panic", "exit"];
/// So many deaths in a row would be a restart storm.
const PATIENT: &str = "[failover]\nrestart_calm = \"1ms\"\n";

#[test]
fn lanes_die() {
    deaths_of("lane");
}

#[test]
fn control_threads_die() {
    deaths_of("control");
}

fn deaths_of(thread: &str) {
    let report = measured(|| run(thread));
    for flow in &report.flows {
        assert_bounded(flow);
    }
}

/// What the NIC delivers to a dead instance until it is steered away is lost; between guests it is
/// at most what was in hand.
fn assert_bounded(flow: &FlowReport) {
    let deaths = CAUSES.len() as u64;
    assert_survives_deaths(flow, deaths);
    if flow.name == "VM to VM" {
        assert!(flow.lost <= in_hand(deaths), "{flow}");
    }
}

fn run(thread: &str) -> Report {
    let rig = Rig::start(&RigConfig {
        faults: true,
        more: PATIENT.to_owned(),
        ..RigConfig::guests(2)
    })
    .unwrap();
    let running = three_flows(&rig, steady);
    for cause in CAUSES {
        let before = active(&rig);
        rig.set_faults(&format!("* {thread} {cause}\n")).unwrap();
        wait_until(&rig, "another one is active", || active(&rig) != before);
        wait_until_all_receive(&rig, &running);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    }
    running.stop().unwrap()
}

fn active(rig: &Rig) -> String {
    let status = rig.supervisor().status().unwrap();
    status["active"].as_str().unwrap_or("nobody").to_owned()
}
