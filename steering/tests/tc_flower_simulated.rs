//! Switchdev steering on a simulated NIC: representors, rules in hardware, and a driver that refuses,
//! takes its time or has no room.

mod common;

use std::time::{Duration, Instant};

use common::netdevsim::Nic;
use common::{in_namespace, parse, sh, tc_state_of};
use steering::{Side, Steering, SteeringConfig};

const EIO: i32 = 5;

fn config() -> SteeringConfig {
    config_of("vfs = [0, 1]")
}

fn config_of(more: &str) -> SteeringConfig {
    parse(&format!(
        "backend = \"tc-flower\"\nuplink = \"eth0\"\n{more}"
    ))
}

fn open() -> Box<dyn Steering> {
    config().open().unwrap_or_else(|error| panic!("{error}"))
}

fn rules() -> String {
    tc_state_of(["eth0", "eth1", "eth2"])
}

/// In a namespace with the NIC in switchdev mode.
fn with_nic(test: impl FnOnce(&Nic) + Send + 'static) {
    in_namespace(|| test(&Nic::switchdev()));
}

fn steer(steering: &mut dyn Steering, to: Side) {
    steering.steer(to).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(steering.current().expect("current"), Some(to));
}

/// A move fails with these words, and everything is as it was.
fn fails_and_changes_nothing(nic: &Nic, steering: &mut dyn Steering, to: Side, words: &str) {
    let (rules_before, used) = (rules(), nic.used());
    let error = steering.steer(to).expect_err(words).to_string();
    assert!(error.contains(words), "{error}");
    assert_eq!(rules(), rules_before);
    assert_eq!(nic.used(), used);
    assert_eq!(steering.current().expect("current"), Some(to.other()));
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn representors_are_found_and_rules_are_in_hardware() {
    with_nic(|nic| {
        let before = rules();
        let mut steering = open();
        assert_eq!(steering.current().expect("current"), None);
        assert_eq!(nic.used(), 2, "the ways to the wire");
        for (side, used) in [(Side::A, 3), (Side::B, 4), (Side::A, 3)] {
            steer(steering.as_mut(), side);
            assert_eq!(nic.used(), used);
            let uplink = sh("tc filter show dev eth0 ingress");
            let leads_to = |device| uplink.contains(&format!("to device {device})"));
            assert!(leads_to("eth1"), "{uplink}");
            assert_eq!(leads_to("eth2"), side == Side::B, "{uplink}");
            assert!(
                uplink.contains("skip_sw") && !uplink.contains("not_in_hw"),
                "{uplink}"
            );
        }
        steering.close().expect("close");
        assert_eq!(rules(), before);
        assert_eq!(nic.used(), 0);
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn the_next_supervisor_finds_the_side_and_touches_nothing() {
    with_nic(|_| {
        for side in [Side::A, Side::B] {
            steer(open().as_mut(), side);
            let before = rules();
            let steering = config_of(r#"ports = { a = "eth1", b = "eth2" }"#).open();
            let steering = steering.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(steering.current().expect("current"), Some(side));
            assert_eq!(rules(), before);
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_driver_that_refuses_leaves_the_old_rules_in_place() {
    with_nic(|nic| {
        let mut steering = open();
        steer(steering.as_mut(), Side::A);
        nic.set("flower_error", EIO);
        let words = "Input/output error";
        fails_and_changes_nothing(nic, steering.as_mut(), Side::B, words);
        nic.all_is_well();
        steer(steering.as_mut(), Side::B);
        // Nothing new is put to go back.
        nic.set("flower_error", EIO);
        steer(steering.as_mut(), Side::A);
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn the_first_move_to_a_side_that_is_refused_leaves_the_other_in_use() {
    with_nic(|nic| {
        let mut steering = open();
        steer(steering.as_mut(), Side::B);
        nic.set("flower_error", EIO);
        let words = "Input/output error";
        fails_and_changes_nothing(nic, steering.as_mut(), Side::A, words);
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_full_table_leaves_the_old_rules_in_place() {
    with_nic(|nic| {
        let mut steering = open();
        steer(steering.as_mut(), Side::A);
        nic.set("flower_room", nic.used());
        fails_and_changes_nothing(nic, steering.as_mut(), Side::B, "table is full");
        nic.set("flower_room", nic.used() + 1);
        steer(steering.as_mut(), Side::B);
        steer(steering.as_mut(), Side::A);
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_slow_driver_is_waited_for() {
    with_nic(|nic| {
        let mut steering = open();
        steer(steering.as_mut(), Side::A);
        nic.set("flower_delay", 300);
        let start = Instant::now();
        steer(steering.as_mut(), Side::B);
        assert!(
            start.elapsed() >= Duration::from_millis(300),
            "{:?}",
            start.elapsed()
        );
        // To go back nothing is put that would be waited for.
        let start = Instant::now();
        steer(steering.as_mut(), Side::A);
        assert!(
            start.elapsed() < Duration::from_millis(300),
            "{:?}",
            start.elapsed()
        );
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn an_installation_that_fails_leaves_nothing() {
    with_nic(|nic| {
        let before = rules();
        for (parameter, value, words) in [
            ("flower_room", 1, "table is full"),
            ("flower_error", EIO, "Input/output error"),
        ] {
            nic.set(parameter, value);
            let error = config().open().expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
            assert_eq!(rules(), before);
            assert_eq!(nic.used(), 0);
            nic.all_is_well();
        }
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn what_is_not_ready_is_told_with_what_to_do() {
    in_namespace(|| {
        let nic = Nic::new();
        let refused = |more| config_of(more).open().expect_err(more).to_string();
        let error = refused("vfs = [0, 1]");
        let command = "devlink dev eswitch set netdevsim/netdevsim10 mode switchdev";
        assert!(error.contains(command), "{error}");
        nic.to_switchdev();
        let error = refused("vfs = [0, 7]");
        assert!(error.contains("no representor of VF 7"), "{error}");
        sh("ethtool -K eth1 hw-tc-offload off");
        let error = refused("vfs = [0, 1]");
        assert!(error.contains("hw-tc-offload on"), "{error}");
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn a_rule_in_hardware_is_refused_where_the_kernel_is_to_carry_it_out() {
    with_nic(|_| {
        let mut steering = open();
        steer(steering.as_mut(), Side::A);
        let software = config_of("vfs = [0, 1]\nhardware = false").open();
        let software = software.unwrap_or_else(|error| panic!("{error}"));
        let error = software
            .current()
            .expect_err("it is in hardware")
            .to_string();
        assert!(error.contains("steering.hardware"), "{error}");
    });
}

#[test]
#[ignore = "needs netdevsim as tests/guest/netdevsim builds it"]
fn representors_that_are_made_anew_are_steered_to_again() {
    with_nic(|nic| {
        let mut steering = open();
        steer(steering.as_mut(), Side::B);
        nic.make_vfs(0);
        let error = steering.current().expect_err("gone").to_string();
        assert!(error.contains("no network device `eth2`"), "{error}");
        nic.make_vfs(2);
        nic.to_switchdev();
        assert!(steering.current().is_err(), "they lead nowhere");
        drop(steering);
        let mut steering = open();
        steer(steering.as_mut(), Side::B);
        steering.close().expect("close");
        assert_eq!(nic.used(), 0);
    });
}
