//! A hundred promotes under three flows: nothing lost, doubled or reordered, nobody disconnected.

use std::time::Duration;
use vswsup_tests::emulator::{FlowSpec, Instrument, Plan, Report};
use vswsup_tests::rig::{Rig, RigConfig};

const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// Runs that may be void because the instrument itself did not run for too long.
const VOID_RUNS: usize = 5;

#[test]
fn a_hundred_promotes_with_small_frames() {
    promotes_without_a_trace(100, |name, from, to| {
        FlowSpec::steady(name, from, to, 50_000, 64)
    });
}

#[test]
fn promotes_with_large_frames() {
    promotes_without_a_trace(30, |name, from, to| {
        FlowSpec::steady(name, from, to, 50_000, 1518)
    });
}

#[test]
fn promotes_with_bursts() {
    let every = Duration::from_millis(1);
    promotes_without_a_trace(30, |name, from, to| {
        FlowSpec::bursts(name, from, to, 50, every, 64)
    });
}

fn promotes_without_a_trace(promotes: usize, flow: impl Fn(&str, &str, &str) -> FlowSpec) {
    for _ in 0..VOID_RUNS {
        let report = run(promotes, &flow);
        if let Some(reason) = report.void() {
            println!("void: {reason}; again");
            continue;
        }
        for flow in &report.flows {
            println!("{flow}");
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
        return;
    }
    panic!("{VOID_RUNS} runs were void: this machine is too busy to measure");
}

fn run(promotes: usize, flow: &impl Fn(&str, &str, &str) -> FlowSpec) -> Report {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let plan = Plan::new()
        .guest("vm1", rig.guest(1))
        .guest("vm2", rig.guest(2))
        .uplink("wire", rig.wire())
        .flow(flow("VM to VM", "vm1", "vm2"))
        .flow(flow("uplink to VM", "wire", "vm1"))
        .flow(flow("VM to uplink", "vm2", "wire"));
    let running = Instrument::start(plan).unwrap();
    running.wait_for_links(PATIENCE).unwrap();
    running.start_flows(PATIENCE).unwrap();
    for promote in 1..=promotes {
        let outcome = rig.supervisor().command(&["promote", "--json"]).unwrap();
        assert!(
            outcome.status.success(),
            "promote {promote}: {}\n{}",
            outcome.stderr,
            rig.supervisor().log()
        );
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        std::thread::sleep(PAUSE);
    }
    running.stop().unwrap()
}
