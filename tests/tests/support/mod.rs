//! Three flows through a rig, and a run that is repeated when the instrument itself stood still.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod deaths;
pub(crate) mod frozen;
pub(crate) mod leftovers;
pub(crate) mod record;
pub(crate) mod testpmd;

use record::wait_until;
use std::time::Duration;
use vswitch::switch::BURST;
use vswsup_tests::emulator::{FlowReport, FlowSpec, Instrument, Plan, Report, Running};
use vswsup_tests::rig::{Rig, RigConfig};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Frames of a flow that goes on.
const MANY: u64 = 1000;
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

/// A guest that sends to another one.
pub(crate) fn one_way(rig: &Rig) -> Running {
    let plan = Plan::new()
        .guest("vm1", rig.guest(1))
        .guest("vm2", rig.guest(2))
        .flow(steady("there", "vm1", "vm2"));
    sending(plan)
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
    assert_nothing_but_loss(flow);
    assert_eq!(flow.lost, 0, "{flow}");
}

/// Nothing is doubled, reordered or changed, and nobody was disconnected.
pub(crate) fn assert_nothing_but_loss(flow: &FlowReport) {
    assert_survives_deaths(flow, 0);
}

/// Nothing is reordered or changed, nobody was disconnected, and no more is doubled than the burst that
/// each of so many dying lanes had in hand.
pub(crate) fn assert_survives_deaths(flow: &FlowReport, deaths: u64) {
    assert!(flow.received > 0, "{flow}");
    let never = (flow.reordered, flow.corrupted, flow.disconnects);
    assert_eq!(never, (0, 0, 0), "{flow}");
    assert!(flow.doubled <= in_hand(deaths), "{flow}");
}

/// Packets that so many dying lanes had in hand: a burst each, see docs/architecture.md.
pub(crate) fn in_hand(deaths: u64) -> u64 {
    deaths * BURST as u64
}

/// Every flow receives something more.
pub(crate) fn wait_until_all_receive(rig: &Rig, running: &Running) {
    wait_until_all_receive_more_than(rig, running, 0);
}

/// Every flow receives so many more that it goes on for certain.
pub(crate) fn wait_until_all_go_on(rig: &Rig, running: &Running) {
    wait_until_all_receive_more_than(rig, running, MANY);
}

fn wait_until_all_receive_more_than(rig: &Rig, running: &Running, frames: u64) {
    let received = || {
        let flows = running.flows().iter();
        flows.map(|flow| flow.counters.received.get())
    };
    let before: Vec<_> = received().collect();
    wait_until(rig, "all flows go on", || {
        received()
            .zip(&before)
            .all(|(now, before)| now > before + frames)
    });
}
