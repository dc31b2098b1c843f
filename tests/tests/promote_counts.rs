//! A hundred promotes under three flows: nothing lost, doubled or reordered, nobody disconnected.

mod support;

use std::time::Duration;
use support::record::command;
use support::{PATIENCE, assert_without_a_trace, measured, steady, three_flows};
use vswsup_tests::emulator::{FlowSpec, Report};
use vswsup_tests::rig::{Rig, RigConfig};

const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn a_hundred_promotes_with_small_frames() {
    promotes_without_a_trace(100, steady);
}

#[test]
fn promotes_with_large_frames() {
    promotes_without_a_trace(100, |name, from, to| {
        FlowSpec::steady(name, from, to, 50_000, 1518)
    });
}

#[test]
fn promotes_with_bursts() {
    let every = Duration::from_millis(1);
    promotes_without_a_trace(100, |name, from, to| {
        FlowSpec::bursts(name, from, to, 50, every, 64)
    });
}

fn promotes_without_a_trace(promotes: usize, flow: impl Fn(&str, &str, &str) -> FlowSpec) {
    let report = measured(|| run(promotes, &flow));
    report.flows.iter().for_each(assert_without_a_trace);
}

fn run(promotes: usize, flow: &impl Fn(&str, &str, &str) -> FlowSpec) -> Report {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let running = three_flows(&rig, flow);
    for _ in 0..promotes {
        command(&rig, &["promote"]);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        std::thread::sleep(PAUSE);
    }
    running.stop().unwrap()
}
