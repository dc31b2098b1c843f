//! The noise floor: what the instrument sees when nothing happens. Printed, with the machine's share.

mod emulator_support;

use std::thread::sleep;
use std::time::Duration;

use emulator_support::{Listener, Testpmd, make_wire, one_at_a_time, start};
use vswsup_tests::emulator::{FlowReport, FlowSpec, Plan, Report, UplinkSpec, Window};
use vswsup_tests::statistics::Summary;

const STEP: u64 = 20_000_000;
const RATE: u32 = 50_000;
const PACE: f64 = 20.0;

/// The part of the run in which all flows sent, in windows of 20 ms.
fn windows(report: &Report) -> impl Iterator<Item = Window> {
    let durations = report
        .flows
        .iter()
        .map(|flow| flow.view.arrivals.duration());
    let all = durations.reduce(|one, other| Window {
        from: one.from.max(other.from),
        until: one.until.min(other.until),
    });
    all.expect("there are flows").split(STEP)
}

/// The longest gap in each window, in µs.
fn gaps(report: &Report, flow: &FlowReport) -> Vec<f64> {
    let gap = |window| flow.blackout(window).unwrap().length() as f64 / 1000.0;
    windows(report).map(gap).collect()
}

/// The longest stall in each window, in µs.
fn stalls(report: &Report) -> Vec<f64> {
    let stall = |window| report.stalls.longest(window).length() as f64 / 1000.0;
    windows(report).map(stall).collect()
}

fn show(what: &str, values: &[f64]) {
    let Summary { median, p99, max } = Summary::of(values).expect("there are windows");
    println!("  {what}: median {median:.0} p99 {p99:.0} max {max:.0}");
}

fn run(what: &str, plan: Plan) -> Report {
    let running = start(plan);
    sleep(Duration::from_secs(2));
    let report = running.stop().unwrap();
    println!(
        "{what}; µs in each of {} windows of 20 ms",
        windows(&report).count()
    );
    show("instrument not running", &stalls(&report));
    for flow in &report.flows {
        show(&format!("longest gap {}", flow.name), &gaps(&report, flow));
        println!("  {flow}");
    }
    report
}

/// What holds however busy the machine is.
fn assert_plausible(report: &Report) {
    assert!(windows(report).count() > 50, "two seconds were measured");
    for flow in &report.flows {
        // A flow that catches up is a little faster than its pace.
        assert!(
            gaps(report, flow).iter().all(|gap| *gap >= PACE * 0.9),
            "{flow}"
        );
        assert_eq!(flow.doubled + flow.reordered + flow.corrupted, 0, "{flow}");
    }
}

#[test]
fn the_noise_floor_through_testpmd_is_shown() {
    let _turn = one_at_a_time();
    for (what, plan) in [
        ("normal", Plan::new()),
        ("realtime", Plan::new().realtime()),
    ] {
        let testpmd = Testpmd::start(Listener::Switch);
        let plan = plan
            .guest("a", testpmd.guest(0))
            .guest("b", testpmd.guest(1))
            .flow(FlowSpec::steady("a to b", "a", "b", RATE, 64))
            .flow(FlowSpec::steady("b to a", "b", "a", RATE, 64));
        assert_plausible(&run(&format!("testpmd, {what}"), plan));
    }
}

#[test]
fn the_noise_floor_without_any_switch_is_shown() {
    let _turn = one_at_a_time();
    make_wire(["wire0", "wire1"]);
    for (what, plan) in [
        ("normal", Plan::new()),
        ("realtime", Plan::new().realtime()),
    ] {
        let plan = plan
            .uplink("0", UplinkSpec::new(None, "wire0"))
            .uplink("1", UplinkSpec::new(None, "wire1"))
            .flow(FlowSpec::steady("0 to 1", "0", "1", RATE, 64))
            .flow(FlowSpec::steady("1 to 0", "1", "0", RATE, 1518));
        let report = run(
            &format!("a veth pair, both ends the instrument's, {what}"),
            plan,
        );
        assert_plausible(&report);
        assert_eq!(report.flows.iter().map(|flow| flow.lost).sum::<u64>(), 0);
    }
}
