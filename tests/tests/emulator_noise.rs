//! The noise floor: what the instrument sees when nothing happens. Printed, with the machine's share.

mod emulator_support;

use std::thread::sleep;
use std::time::Duration;

use emulator_support::{Listener, Testpmd, one_at_a_time, start};
use vswsup_tests::emulator::{FlowSpec, Plan, Quantiles, Report, Window};

const STEP: u64 = 20_000_000;
const PACE: u64 = 20_000;

/// The part of the run in which all flows sent, in windows of 20 ms.
fn windows(report: &Report) -> impl Iterator<Item = Window> {
    let durations = report
        .flows
        .iter()
        .map(|flow| flow.view.arrivals.duration());
    let both = durations.reduce(|one, other| Window {
        from: one.from.max(other.from),
        until: one.until.min(other.until),
    });
    both.expect("there are flows").split(STEP)
}

fn measure(plan: Plan, what: &str) -> Report {
    let testpmd = Testpmd::start(Listener::Switch);
    let plan = plan
        .guest("a", testpmd.guest(0))
        .guest("b", testpmd.guest(1))
        .flow(FlowSpec::steady("a to b", "a", "b", 50_000, 64))
        .flow(FlowSpec::steady("b to a", "b", "a", 50_000, 64));
    let running = start(plan);
    sleep(Duration::from_secs(2));
    let report = running.stop().unwrap();
    let stalls = windows(&report).map(|window| report.stalls.longest(window).length() / 1000);
    println!(
        "{what}, µs in each window of 20 ms: instrument stalled {}",
        Quantiles::of(stalls)
    );
    for flow in &report.flows {
        println!(
            "  longest gap {}: {}",
            flow.name,
            Quantiles::of(gaps(&report, flow))
        );
        println!("  {flow}");
    }
    report
}

fn gaps<'a>(
    report: &'a Report,
    flow: &'a vswsup_tests::emulator::FlowReport,
) -> impl Iterator<Item = u64> + 'a {
    windows(report).map(|window| flow.blackout(window).unwrap().length() / 1000)
}

#[test]
fn the_noise_floor_is_shown() {
    let _turn = one_at_a_time();
    for (plan, what) in [
        (Plan::new(), "normal"),
        (Plan::new().realtime(), "realtime"),
    ] {
        let report = measure(plan, what);
        assert!(windows(&report).count() > 50, "two seconds were measured");
        for flow in &report.flows {
            assert!(
                gaps(&report, flow).all(|gap| gap >= PACE / 1000),
                "no gap is below the pace"
            );
            assert_eq!(flow.doubled + flow.reordered + flow.corrupted, 0, "{flow}");
        }
    }
}
