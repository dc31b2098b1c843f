//! A front end that cuts off the file behind its guest's memory loses its own connection. No instance
//! dies of it, and nobody else loses anything, neither now nor after a promote.

mod support;

use std::time::Duration;
use support::record::{command, wait_until};
use support::{PATIENCE, assert_without_a_trace, measured, steady};
use vswsup_tests::emulator::{Instrument, Plan, Report, Running};
use vswsup_tests::rig::{Rig, RigConfig};

#[test]
fn memory_taken_away_costs_its_owner_the_connection() {
    let report = measured(|| run(promote_after));
    judge(&report);
}

#[test]
fn memory_taken_away_from_a_standby_costs_the_same_when_it_takes_over() {
    let report = measured(|| run(promote_before));
    judge(&report);
}

fn judge(report: &Report) {
    let intact = report.flow("intact").unwrap();
    assert_without_a_trace(intact);
    assert!(report.flow("robbed").unwrap().disconnects > 0);
}

fn run(act: fn(&Rig, &Running)) -> Report {
    let rig = Rig::start(&RigConfig {
        uplink: false,
        ..RigConfig::guests(4)
    })
    .unwrap();
    let mut robbed = rig.guest(3);
    robbed.reconnect = false;
    let plan = Plan::new()
        .guest("vm1", rig.guest(1))
        .guest("vm2", rig.guest(2))
        .guest("vm3", robbed)
        .guest("vm4", rig.guest(4))
        .flow(steady("intact", "vm1", "vm2"))
        .flow(steady("robbed", "vm3", "vm4"));
    let running = Instrument::start(plan).unwrap();
    running.wait_for_links(PATIENCE).unwrap();
    running.start_flows(PATIENCE).unwrap();
    let before = instances(&rig);

    act(&rig, &running);

    let mut after = instances(&rig);
    after.sort();
    assert_eq!(after, before, "nobody died\n{}", rig.supervisor().log());
    assert!(
        rig.supervisor()
            .log()
            .contains("guest memory was taken away"),
        "{}",
        rig.supervisor().log()
    );
    std::thread::sleep(Duration::from_millis(100));
    running.stop().unwrap()
}

/// The active instance finds out; its successor is as good as ever.
fn promote_after(rig: &Rig, running: &Running) {
    running.take_memory_away("vm3").unwrap();
    wait_until_closed(rig, running);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    promote(rig);
}

/// Who finds out is whoever has the lanes, in the middle of a promote or after it.
fn promote_before(rig: &Rig, running: &Running) {
    std::thread::scope(|scope| {
        scope.spawn(|| running.take_memory_away("vm3").unwrap());
        promote(rig);
    });
    wait_until_closed(rig, running);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    promote(rig);
}

fn promote(rig: &Rig) {
    command(rig, &["promote"]);
}

fn wait_until_closed(rig: &Rig, running: &Running) {
    wait_until(rig, "a closed connection", || {
        !running.link("vm3").unwrap().is_up()
    });
    assert_eq!(rig.supervisor().status().unwrap()["devices"], 3);
}

/// The process ids of both instances.
fn instances(rig: &Rig) -> Vec<u64> {
    let status = rig.supervisor().status().unwrap();
    let instances = status["instances"].as_array().expect("a list").iter();
    let mut pids: Vec<_> = instances.filter_map(|one| one["pid"].as_u64()).collect();
    pids.sort();
    assert_eq!(pids.len(), 2, "{status}");
    pids
}
