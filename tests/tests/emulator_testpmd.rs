//! The emulator against a peer that is not ours: every frame through dpdk-testpmd is accounted for.

mod emulator_support;

use emulator_support::{Listener, Testpmd, one_at_a_time, start, wait_for_frames};
use vswsup_tests::emulator::front_end::feature;
use vswsup_tests::emulator::{FlowSpec, GuestSpec, Plan, Report, TxLayout};

const FRAMES: u64 = 20_000;
/// Runs after which the machine is too busy to measure.
const RUNS: usize = 15;

/// Two guests with a flow each way, until a run is not void.
fn run_both_ways(testpmd: &Testpmd, wire_size: u16, adapt: fn(&mut GuestSpec)) -> Report {
    for run in 1..=RUNS {
        let guest = |port| {
            let mut spec = testpmd.guest(port);
            adapt(&mut spec);
            spec
        };
        let plan = Plan::new()
            .guest("a", guest(0))
            .guest("b", guest(1))
            .flow(FlowSpec::steady("a to b", "a", "b", 50_000, wire_size))
            .flow(FlowSpec::steady("b to a", "b", "a", 50_000, wire_size));
        let running = start(plan);
        (0..2).for_each(|flow| wait_for_frames(&running, flow, FRAMES));
        let report = running.stop().unwrap();
        report
            .flows
            .iter()
            .for_each(|flow| println!("{wire_size} bytes, {flow}"));
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
        assert_eq!((flow.disconnects, flow.reconnects), (0, 0), "{flow}");
    }
    for endpoint in &report.endpoints {
        assert_eq!(endpoint.fault, None, "{}", endpoint.name);
    }
}

fn negotiated(report: &Report, feature: u64) -> bool {
    report
        .endpoints
        .iter()
        .all(|endpoint| endpoint.features & feature != 0)
}

#[test]
fn short_and_long_frames_arrive_once_and_in_order() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    for wire_size in [64, 1518] {
        assert_exact(&run_both_ways(&testpmd, wire_size, |_| {}));
    }
}

#[test]
fn plain_rings_without_any_feature_work() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    let report = run_both_ways(&testpmd, 64, |spec| spec.options.features = 0);
    assert_exact(&report);
    let features = feature::EVENT_IDX | feature::INDIRECT_DESC | feature::MRG_RXBUF;
    assert!(
        report
            .endpoints
            .iter()
            .all(|endpoint| endpoint.features & features == 0)
    );
}

#[test]
fn chained_and_indirect_descriptors_work() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    assert_exact(&run_both_ways(&testpmd, 1518, |spec| {
        spec.tx_layout = TxLayout::Chained
    }));
    let report = run_both_ways(&testpmd, 1518, |spec| spec.tx_layout = TxLayout::Indirect);
    assert_exact(&report);
    assert!(negotiated(&report, feature::INDIRECT_DESC));
}

#[test]
fn event_indices_and_interrupts_work() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    let report = run_both_ways(&testpmd, 64, |spec| {
        spec.options.features = feature::EVENT_IDX;
        spec.interrupts = true;
    });
    assert_exact(&report);
    assert!(negotiated(&report, feature::EVENT_IDX));
}

#[test]
fn long_frames_are_merged_from_short_buffers() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Switch);
    let report = run_both_ways(&testpmd, 1518, |spec| {
        spec.buffer_size = 256;
        spec.rx_ring = 16_384;
        spec.tx_ring = 2048;
    });
    assert_exact(&report);
    assert!(negotiated(&report, feature::MRG_RXBUF));
}

#[test]
fn the_guest_can_be_the_server() {
    let _turn = one_at_a_time();
    let testpmd = Testpmd::start(Listener::Guest);
    assert_exact(&run_both_ways(&testpmd, 64, |_| {}));
}
