//! Whatever the active instance dies of, and in whichever thread, the standby takes over, no guest
//! is disconnected and all flows go on.

mod support;

use std::time::{Duration, Instant};
use support::{PATIENCE, measured, steady, three_flows};
use vswsup_tests::emulator::{FlowReport, Report, Running};
use vswsup_tests::rig::{Rig, RigConfig};

const CAUSES: [&str; 7] = ["kill", "segv", "bus", "ill", "abort", "panic", "exit"];
/// So many deaths in a row would be a restart storm.
const PATIENT: &str = "[failover]\nrestart_calm = \"1ms\"\n";
/// Packets that a dying lane has in hand: a burst from a ring, see docs/architecture.md.
const BURST: u64 = 32;

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
    let none = (flow.reordered, flow.corrupted, flow.disconnects);
    assert_eq!(none, (0, 0, 0), "{flow}");
    let limit = BURST * CAUSES.len() as u64;
    assert!(flow.doubled <= limit, "{flow}");
    if flow.name == "VM to VM" {
        assert!(flow.lost <= limit, "{flow}");
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
        wait_until(&rig, || active(&rig) != before);
        wait_until_all_receive(&rig, &running);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    }
    running.stop().unwrap()
}

fn active(rig: &Rig) -> String {
    let status = rig.supervisor().status().unwrap();
    status["active"].as_str().unwrap_or("nobody").to_owned()
}

fn wait_until_all_receive(rig: &Rig, running: &Running) {
    let received = || {
        running
            .flows()
            .iter()
            .map(|flow| flow.counters.received.get())
    };
    let before: Vec<_> = received().collect();
    wait_until(rig, || {
        received().zip(&before).all(|(now, before)| now > *before)
    });
}

fn wait_until(rig: &Rig, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{}", rig.supervisor().log());
        std::thread::sleep(Duration::from_millis(5));
    }
}
