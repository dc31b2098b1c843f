//! What is done to the software NIC between two calls of `current` is noticed, although the second
//! call looks only if the kernel has told of a change.

mod common;

use common::{open, sh, veth, with_rig};
use steering::{Side, Steering};

/// The rig's backend, steered to b and twice found in order: the second time it had nothing to verify.
fn in_order() -> Box<dyn Steering> {
    let mut steering = open();
    steering.steer(Side::B).expect("steer");
    for _ in 0..2 {
        assert_eq!(steering.current().expect("in order"), Some(Side::B));
    }
    steering
}

/// After `lines`, `current` fails each time it is asked, and says `what`.
fn noticed(lines: &'static [&'static str], what: &'static str) {
    with_rig(move || {
        let steering = in_order();
        lines.iter().for_each(|line| drop(sh(line)));
        for _ in 0..2 {
            let error = steering.current().expect_err(what).to_string();
            assert!(error.contains(what), "{lines:?}: {error}");
        }
    });
}

#[test]
fn a_filter_that_is_taken_off() {
    for (line, what) in [
        (&["tc filter del dev nic0 ingress pref 1"], "`nic0` is no"),
        (&["tc filter del dev vf0 ingress pref 1"], "`vf0` is no"),
        (&["tc qdisc del dev vf1 clsact"], "`vf1` is no"),
    ] {
        noticed(line, what);
    }
}

#[test]
fn a_filter_that_is_replaced() {
    noticed(
        &[
            "tc filter del dev nic0 ingress pref 1",
            "tc filter add dev nic0 ingress protocol all pref 1 u32 match u8 0 0",
        ],
        "of another program with priority 1",
    );
}

#[test]
fn a_device_that_is_gone_or_created_anew() {
    noticed(&["ip link del vf0"], "no network device `vf0`");
    noticed(&["ip link del nic0"], "no network device `nic0`");
    noticed(
        &[
            "ip link del vf1i",
            "ip link add vf1 type veth peer name vf1i",
            "ip link set vf1 up",
        ],
        "`vf1` is no",
    );
    noticed(
        &["ip link set vf1 down", "ip link set vf1 name other"],
        "no network device `vf1`",
    );
}

#[test]
fn a_device_that_is_down_until_it_is_up_again() {
    with_rig(|| {
        let steering = in_order();
        sh("ip link set vf1 down");
        let down = steering.current().expect_err("down").to_string();
        assert!(down.contains("`vf1` is down"), "{down}");
        sh("ip link set vf1 up");
        assert_eq!(steering.current().expect("repaired"), Some(Side::B));
    });
}

#[test]
fn a_change_among_more_than_the_socket_holds() {
    with_rig(|| {
        let steering = in_order();
        veth("busy", "busy-too");
        let script = tempfile::NamedTempFile::new().expect("a file");
        let lines: String = (0..2000)
            .map(|n| format!("link set busy mtu {}\n", 1000 + n % 100))
            .collect();
        std::fs::write(script.path(), lines).expect("write");
        sh(&format!("ip -batch {}", script.path().display()));
        sh("tc filter del dev vf0 ingress pref 1");
        let error = steering.current().expect_err("detached").to_string();
        assert!(error.contains("`vf0` is no"), "{error}");
    });
}

#[test]
fn a_side_that_another_process_wrote_is_read_back() {
    with_rig(|| {
        let steering = in_order();
        let mut other = open();
        other.steer(Side::A).expect("steer");
        assert_eq!(steering.current().expect("in order"), Some(Side::A));
    });
}
