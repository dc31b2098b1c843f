//! The uplink's far end, and many guests that come and go, against dpdk-testpmd.

mod emulator_support;

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use emulator_support::{START_LIMIT, Testpmd, make_wire, one_at_a_time, start, wait_for_frames};
use vswsup_tests::emulator::{FlowSpec, GuestSpec, Instrument, Plan, Report, Running, UplinkSpec};

const FRAMES: u64 = 10_000;
/// Runs after which the machine is too busy to measure.
const RUNS: usize = 15;

fn run_on_uplink(testpmd: &Testpmd, flow: impl Fn(&str, &str, &str) -> FlowSpec) -> Report {
    let namespace = PathBuf::from(format!("/proc/{}/ns/net", testpmd.id()));
    for run in 1..=RUNS {
        let plan = Plan::new()
            .guest("vm", testpmd.guest(0))
            .uplink("uplink", UplinkSpec::new(Some(namespace.clone()), "wire0"))
            .flow(flow("uplink to vm", "uplink", "vm"))
            .flow(flow("vm to uplink", "vm", "uplink"));
        let running = start(plan);
        (0..2).for_each(|flow| wait_for_frames(&running, flow, FRAMES));
        let report = running.stop().unwrap();
        report.flows.iter().for_each(|flow| println!("{flow}"));
        match report.void() {
            None => return report,
            Some(reason) => println!("run {run} is void: {reason}"),
        }
    }
    panic!("{RUNS} void runs: the machine is too busy to measure");
}

fn assert_exact(report: &Report) {
    for flow in &report.flows {
        assert!(flow.is_exact(), "{flow}");
    }
}

#[test]
fn frames_cross_the_uplink_once_and_in_order() {
    let _turn = one_at_a_time();
    make_wire(["wire0", "wire1"]);
    let testpmd = Testpmd::start_with_uplink("wire1");
    for wire_size in [64, 1518] {
        assert_exact(&run_on_uplink(&testpmd, |name, from, to| {
            FlowSpec::steady(name, from, to, 30_000, wire_size)
        }));
    }
}

#[test]
fn bursts_cross_the_uplink_once_and_in_order() {
    let _turn = one_at_a_time();
    make_wire(["wire0", "wire1"]);
    let testpmd = Testpmd::start_with_uplink("wire1");
    assert_exact(&run_on_uplink(&testpmd, |name, from, to| {
        FlowSpec::bursts(name, from, to, 100, Duration::from_millis(5), 512)
    }));
}

#[test]
fn an_uplink_that_is_not_there_is_named() {
    let plan = Plan::new().uplink("uplink", UplinkSpec::new(None, "nosuch0"));
    let error = Instrument::start(plan).err().expect("it is not there");
    assert!(
        error
            .to_string()
            .starts_with("nosuch0: bind a packet socket"),
        "{error}"
    );
}

#[test]
fn guests_come_and_go_while_others_are_served() {
    let _turn = one_at_a_time();
    const PORTS: usize = 16;
    let testpmd = Testpmd::start_with_ports(PORTS);
    let flow = FlowSpec::steady("a to b", "a", "b", 20_000, 64);
    let plan = Plan::new()
        .guest("a", testpmd.guest(0))
        .guest("b", testpmd.guest(1))
        .flow(flow);
    let mut running = Instrument::start(plan).unwrap();
    add_idle(&mut running, &testpmd, 2..PORTS);
    // testpmd forwards nothing until all of its ports are up.
    running.wait_for_links(START_LIMIT).unwrap();
    running.start_flows(START_LIMIT).unwrap();
    for _ in 0..2 {
        wait_for_frames(&running, 0, running.flows()[0].counters.sent.get() + 1000);
        remove_idle(&mut running, 2..PORTS);
        wait_for_frames(&running, 0, running.flows()[0].counters.sent.get() + 1000);
        add_idle(&mut running, &testpmd, 2..PORTS);
        running.wait_for_links(START_LIMIT).unwrap();
    }
    let received = running.flows()[0].counters.received.get();
    let positions = running.remove("b").unwrap().expect("a guest");
    println!("b stopped at {positions:?} after {received} frames");
    let report = running.stop().unwrap();
    println!("{}", report.flows[0]);
    assert!(u64::from(positions[0]) >= received % 65_536);
    assert_eq!(
        report.flows[0].doubled + report.flows[0].reordered + report.flows[0].corrupted,
        0
    );
    assert_eq!(report.flows[0].disconnects, 0);
}

fn add_idle(running: &mut Running, testpmd: &Testpmd, ports: Range<usize>) {
    for port in ports {
        let spec = GuestSpec::idle(testpmd.socket(port));
        running.add_guest(&format!("idle {port}"), &spec).unwrap();
    }
}

fn remove_idle(running: &mut Running, ports: Range<usize>) {
    for port in ports {
        let name = format!("idle {port}");
        let deadline = Instant::now() + START_LIMIT;
        while running.link(&name).unwrap().untaken() > 0 {
            assert!(
                Instant::now() < deadline,
                "the announcement of {name} is taken"
            );
        }
        let stopped = running.remove(&name).unwrap().expect("a guest");
        println!("{name} stopped at {stopped:?}");
        // Its announcement went out; its neighbour's may have come in.
        assert_eq!(stopped[1], 1);
        assert!(stopped[0] <= 1);
    }
}
