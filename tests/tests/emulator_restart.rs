//! What the emulator sees of a switch that is killed and started again.

mod emulator_support;

use std::thread::sleep;
use std::time::Duration;

use emulator_support::{Listener, START_LIMIT, Testpmd, one_at_a_time, start};
use vswsup_tests::emulator::{FlowSpec, Plan, Report, Window, now};

fn restart(listener: Listener) -> (Report, Window) {
    let mut testpmd = Testpmd::start(listener);
    let plan = Plan::new()
        .guest("a", testpmd.guest(0))
        .guest("b", testpmd.guest(1))
        .flow(FlowSpec::steady("a to b", "a", "b", 20_000, 64))
        .flow(FlowSpec::steady("b to a", "b", "a", 20_000, 64));
    let running = start(plan);
    sleep(Duration::from_millis(300));
    let killed = now();
    testpmd.kill();
    sleep(Duration::from_millis(50));
    let down = running.wait_for_links(Duration::ZERO).unwrap_err();
    assert!(down.to_string().contains("a: "), "{down}");
    testpmd.start_again();
    running.wait_for_links(START_LIMIT).unwrap();
    let back = now();
    sleep(Duration::from_millis(500));
    (running.stop().unwrap(), Window::new(killed, back))
}

fn assert_seen(report: &Report, outage: Window) {
    for flow in &report.flows {
        let gap = flow.blackout(Window::EVER).unwrap();
        println!("{flow}; longest gap {} ms", gap.length() / 1_000_000);
        assert_eq!(
            (flow.disconnects, flow.reconnects),
            (2, 2),
            "one at each end"
        );
        assert!(gap.window().overlaps(&outage), "{gap:?} {outage:?}");
        assert!(gap.length() > 50_000_000, "{gap:?}");
        assert!(flow.refused > 0, "nothing is sent on a link that is down");
        let after = flow.view.arrivals.last().expect("frames arrived");
        assert!(after > outage.until, "and again after the restart");
        assert_eq!(flow.corrupted, 0);
    }
    for endpoint in &report.endpoints {
        assert_eq!(endpoint.fault, None, "{}", endpoint.name);
        let ups: Vec<bool> = endpoint.events.iter().map(|event| event.up).collect();
        assert_eq!(ups, [true, false, true]);
    }
}

#[test]
fn a_restart_is_seen_when_the_switch_listens() {
    let _turn = one_at_a_time();
    let (report, outage) = restart(Listener::Switch);
    assert_seen(&report, outage);
}

#[test]
fn a_restart_is_seen_when_the_guest_listens() {
    let _turn = one_at_a_time();
    let (report, outage) = restart(Listener::Guest);
    assert_seen(&report, outage);
}

#[test]
fn a_guest_that_does_not_want_to_reconnect_stays_down() {
    let _turn = one_at_a_time();
    let mut testpmd = Testpmd::start(Listener::Guest);
    let mut stubborn = testpmd.guest(0);
    stubborn.reconnect = false;
    let plan = Plan::new()
        .guest("a", stubborn)
        .guest("b", testpmd.guest(1));
    let running = start(plan);
    testpmd.kill();
    testpmd.start_again();
    let b = running.link("b").unwrap();
    while b.reconnects() == 0 {
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(100));
    let a = running.link("a").unwrap();
    assert_eq!((a.is_up(), a.disconnects(), a.reconnects()), (false, 1, 0));
}
