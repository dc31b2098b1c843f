//! The uplink's far end, and many guests that come and go, against dpdk-testpmd.

mod emulator_support;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use emulator_support::{START_LIMIT, Testpmd, make_wire, one_at_a_time, start};
use vswsup_tests::emulator::{FlowSpec, GuestSpec, Plan, Report, UplinkSpec};

const RUNS: usize = 5;

fn run_on_uplink(testpmd: &Testpmd, flow: impl Fn(&str, &str, &str) -> FlowSpec) -> Report {
    let namespace = PathBuf::from(format!("/proc/{}/ns/net", testpmd.id()));
    for run in 1..=RUNS {
        let plan = Plan::new()
            .guest("vm", testpmd.guest(0))
            .uplink("uplink", UplinkSpec::new(Some(namespace.clone()), "wire0"))
            .flow(flow("uplink to vm", "uplink", "vm"))
            .flow(flow("vm to uplink", "vm", "uplink"));
        let running = start(plan);
        sleep(Duration::from_millis(700));
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
        assert!(flow.is_exact() && flow.sent > 1000, "{flow}");
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
    let error = vswsup_tests::emulator::Instrument::start(plan)
        .err()
        .expect("it is not there");
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
    let mut running = start(plan);
    for _ in 0..2 {
        for port in 2..PORTS {
            let spec = GuestSpec::idle(testpmd.socket(port));
            running.add_guest(&format!("idle {port}"), &spec).unwrap();
        }
        running.wait_for_links(START_LIMIT).unwrap();
        sleep(Duration::from_millis(50));
        for port in 2..PORTS {
            let stopped = running
                .remove(&format!("idle {port}"))
                .unwrap()
                .expect("a guest");
            println!("port {port} stopped at {stopped:?}");
            // Its announcement went out, and its neighbour's came in or was not sent yet.
            assert_eq!(stopped[1], 1, "one frame was sent");
            assert!(stopped[0] <= 2, "{stopped:?}");
        }
    }
    let sent = running.flows()[0].counters.sent.get();
    let positions = running.remove("b").unwrap().expect("a guest");
    println!("b stopped at {positions:?}");
    let report = running.stop().unwrap();
    println!("{}", report.flows[0]);
    assert!(
        sent > 1000 && u64::from(positions[0]) >= sent.min(1000) % 65_536,
        "{positions:?}"
    );
    assert_eq!(
        report.flows[0].doubled + report.flows[0].reordered + report.flows[0].corrupted,
        0
    );
    assert_eq!(report.flows[0].disconnects, 0);
}
