//! A promote that fails before the release leaves the old instance active, and traffic as it was.

mod support;

use support::record::{command, refused};
use support::{
    PATIENCE, assert_nothing_but_loss, assert_without_a_trace, measured, steady, three_flows,
};
use vswsup_tests::emulator::Report;
use vswsup_tests::rig::{Rig, RigConfig};

#[test]
fn a_standby_that_refuses_to_prepare() {
    undone("b prepare refuse", "refuses to prepare");
}

#[test]
fn a_standby_that_dies_while_it_prepares() {
    undone("b prepare die", "");
}

#[test]
fn a_standby_that_hangs_while_it_prepares() {
    undone("b prepare hang", "its control thread has stood still");
}

/// Nobody can know of this death before the NIC is steered: what it delivers until the supervisor has
/// seen the death is lost, and counted, and nothing else.
#[test]
fn a_standby_that_dies_when_it_is_prepared() {
    let mut discarded = 0;
    let report = measured(|| {
        let (report, counted) = run("b prepared die", "b ");
        discarded = counted;
        report
    });
    for flow in &report.flows {
        if flow.name.starts_with("uplink") {
            assert!(flow.lost <= discarded, "{flow}; {discarded} are told");
            assert_nothing_but_loss(flow);
        } else {
            assert_without_a_trace(flow);
        }
    }
}

#[test]
fn an_active_instance_that_refuses_to_quiesce() {
    undone("a quiesce refuse", "refuses to quiesce");
}

/// With `faults`, a promote from a to b fails and says `why`; without them the next one succeeds.
fn undone(faults: &str, why: &str) {
    let report = measured(|| {
        let (report, discarded) = run(faults, why);
        assert_eq!(discarded, 0, "the NIC was not steered");
        report
    });
    report.flows.iter().for_each(assert_without_a_trace);
}

/// What it showed, and how many packets the supervisor says were lost.
fn run(faults: &str, why: &str) -> (Report, u64) {
    let more = "[timeouts]\nprepare = \"2s\"\n".to_owned();
    let rig = Rig::start(&RigConfig {
        faults: true,
        more,
        ..RigConfig::guests(2)
    })
    .unwrap();
    let supervisor = rig.supervisor();
    let running = three_flows(&rig, steady);

    rig.set_faults(faults).unwrap();
    let outcome = refused(&rig, &["promote", "--json"], why);
    let discarded = outcome.json().unwrap()["failed"]["discarded"].as_u64();
    assert_eq!(supervisor.status().unwrap()["active"], "a");

    rig.set_faults("").unwrap();
    supervisor.wait_for_spare(PATIENCE).unwrap();
    command(&rig, &["promote"]);
    assert_eq!(supervisor.status().unwrap()["active"], "b");
    (running.stop().unwrap(), discarded.unwrap())
}
