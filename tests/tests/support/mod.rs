//! Three flows through a rig, and a run that is repeated when the instrument itself stood still.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod deaths;
pub(crate) mod frozen;
pub(crate) mod leftovers;
pub(crate) mod record;
pub(crate) mod testpmd;

use std::time::{Duration, Instant};
use vswsup_tests::emulator::{FlowReport, FlowSpec, Instrument, Plan, Report, Running};
use vswsup_tests::rig::{Rig, RigConfig};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Runs that may be void because the instrument itself did not run for too long.
const VOID_RUNS: usize = 8;

/// A steady flow of small frames.
pub(crate) fn steady(name: &str, from: &str, to: &str) -> FlowSpec {
    FlowSpec::steady(name, from, to, 50_000, 64)
}

/// VM to VM, uplink to VM and VM to uplink, all sending.
pub(crate) fn three_flows(rig: &Rig, flow: impl Fn(&str, &str, &str) -> FlowSpec) -> Running {
    let plan = Plan::new()
        .guest("vm1", rig.guest(1))
        .guest("vm2", rig.guest(2))
        .uplink("wire", rig.wire())
        .flow(flow("VM to VM", "vm1", "vm2"))
        .flow(flow("uplink to VM", "wire", "vm1"))
        .flow(flow("VM to uplink", "vm2", "wire"));
    sending(plan)
}

/// A plan whose guests are up and whose flows send.
pub(crate) fn sending(plan: Plan) -> Running {
    let running = Instrument::start(plan).unwrap();
    running.wait_for_links(PATIENCE).unwrap();
    running.start_flows(PATIENCE).unwrap();
    running
}

/// Two guests that send to each other.
pub(crate) fn both_ways(rig: &Rig) -> Running {
    let plan = Plan::new()
        .guest("vm1", rig.guest(1))
        .guest("vm2", rig.guest(2))
        .flow(steady("1 to 2", "vm1", "vm2"))
        .flow(steady("2 to 1", "vm2", "vm1"));
    sending(plan)
}

/// A running pair without an uplink that can be told to fail.
pub(crate) fn rig_with_faults(guests: usize) -> Rig {
    let config = RigConfig {
        uplink: false,
        faults: true,
        ..RigConfig::guests(guests)
    };
    Rig::start(&config).unwrap()
}

/// The report of the first run that is not void.
pub(crate) fn measured(mut run: impl FnMut() -> Report) -> Report {
    for _ in 0..VOID_RUNS {
        let report = run();
        report.flows.iter().for_each(|flow| println!("{flow}"));
        match report.void() {
            Some(reason) => println!("void: {reason}; again"),
            None => return report,
        }
    }
    panic!("{VOID_RUNS} runs were void: this machine is too busy to measure");
}

/// Nothing is lost, doubled, reordered or changed, and nobody was disconnected.
pub(crate) fn assert_without_a_trace(flow: &FlowReport) {
    assert!(flow.received > 0, "{}", flow.name);
    let counts = (
        flow.lost,
        flow.doubled,
        flow.reordered,
        flow.corrupted,
        flow.disconnects,
    );
    assert_eq!(counts, (0, 0, 0, 0, 0), "{}", flow.name);
}

/// Waits until `done`; the error tells `what` did not come about.
pub(crate) fn wait(rig: &Rig, what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(
            Instant::now() < until,
            "not: {what}\n{}",
            rig.supervisor().log()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every flow receives something more.
pub(crate) fn wait_until_all_receive(rig: &Rig, running: &Running) {
    let received = || {
        let flows = running.flows().iter();
        flows.map(|flow| flow.counters.received.get())
    };
    let before: Vec<_> = received().collect();
    wait(rig, "all flows go on", || {
        received().zip(&before).all(|(now, before)| now > *before)
    });
}
