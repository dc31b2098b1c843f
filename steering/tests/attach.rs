//! The software NIC comes, stays when its process dies, is taken over, repaired, and leaves no trace.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use common::frames::Socket;
use common::{config, open, parse, sh, tc_state, veth, with_rig};
use steering::{EbpfError, Side, SteeringError};

const CHILD: &str = "STEERING_TEST_CHILD";

/// The side at which a frame from the wire arrives.
fn arrives_at() -> Option<Side> {
    let [a, b] = ["vf0i", "vf1i"].map(Socket::open);
    let wire = Socket::open("wire");
    assert!(wire.send(7), "sent");
    match (a.wait(), b.wait()) {
        (None, None) => None,
        (Some(7), None) => Some(Side::A),
        (None, Some(7)) => Some(Side::B),
        other => panic!("one frame was sent, this arrived: {other:?}"),
    }
}

/// The error of opening this configuration.
fn refusal(toml: &str) -> SteeringError {
    parse(toml).open().expect_err("must be refused")
}

fn rig_with(key: &str, value: &str) -> String {
    let name = |own: &str, default: &str| {
        if own == key {
            value.to_owned()
        } else {
            default.into()
        }
    };
    let (nic, a, b) = (name("nic", "nic0"), name("a", "vf0"), name("b", "vf1"));
    format!("backend = \"ebpf\"\nnic = \"{nic}\"\nports = {{ a = \"{a}\", b = \"{b}\" }}")
}

#[test]
fn steers_to_nobody_then_to_a_then_to_b() {
    with_rig(|| {
        let mut steering = open();
        assert_eq!(steering.current().expect("current"), None);
        assert_eq!(arrives_at(), None);
        for side in [Side::A, Side::B, Side::B, Side::A] {
            steering.steer(side).expect("steer");
            assert_eq!(steering.current().expect("current"), Some(side));
            assert_eq!(arrives_at(), Some(side));
        }
    });
}

#[test]
fn both_ports_reach_the_wire_whichever_is_active() {
    with_rig(|| {
        let mut steering = open();
        steering.steer(Side::A).expect("steer");
        let wire = Socket::open("wire");
        for (number, port) in [(1, "vf0i"), (2, "vf1i")] {
            assert!(Socket::open(port).send(number), "sent");
            assert_eq!(wire.wait(), Some(number), "from {port}");
        }
    });
}

#[test]
fn what_a_side_was_given_is_counted() {
    with_rig(|| {
        // The host itself would send to the ports.
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("no IPv6");
        let mut steering = open();
        let mut expected = [Side::A, Side::B].map(|side| steering.delivered(side));
        for (side, frames) in [(Side::A, 3), (Side::B, 2), (Side::A, 1)] {
            steering.steer(side).expect("steer");
            for _ in 0..frames {
                assert_eq!(arrives_at(), Some(side));
            }
            let count = &mut expected[side as usize];
            *count = count.map(|before| before + frames);
            let delivered = [Side::A, Side::B].map(|side| steering.delivered(side));
            assert_eq!(delivered, expected);
        }
        assert!(expected[0].is_some());
        sh("ip link del vf1");
        assert_eq!(steering.delivered(Side::B), None);
    });
}

#[test]
fn close_gives_back_what_was_found() {
    with_rig(|| {
        let before = tc_state();
        let mut steering = open();
        steering.steer(Side::B).expect("steer");
        assert_ne!(tc_state(), before);
        steering.close().expect("close");
        assert_eq!(tc_state(), before);
    });
}

#[test]
fn close_leaves_a_qdisc_and_filters_that_were_there() {
    with_rig(|| {
        sh("tc qdisc add dev nic0 clsact");
        sh("tc qdisc add dev vf0 clsact");
        sh("tc filter add dev vf0 ingress protocol all pref 9 u32 match u8 0 0");
        let before = tc_state();
        let steering = open();
        assert_ne!(tc_state(), before);
        steering.close().expect("close");
        assert_eq!(tc_state(), before);
    });
}

#[test]
fn a_dead_process_leaves_traffic_as_it_is_and_the_next_takes_over() {
    with_rig(|| {
        let untouched = tc_state();
        let status = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child_steers_to_b_and_is_killed", "--ignored"])
            .env(CHILD, "1")
            .status()
            .expect("started");
        assert_eq!(
            status.signal(),
            Some(9),
            "the child was killed after it had steered"
        );
        assert_eq!(arrives_at(), Some(Side::B), "with no process");

        let installed = tc_state();
        let mut steering = open();
        assert_eq!(tc_state(), installed, "nothing is attached anew");
        assert_eq!(steering.current().expect("current"), Some(Side::B));
        assert_eq!(arrives_at(), Some(Side::B));
        steering.steer(Side::A).expect("steer");
        assert_eq!(arrives_at(), Some(Side::A));
        steering.close().expect("close");
        assert_eq!(
            tc_state(),
            untouched,
            "what the dead one added is removed, too"
        );
    });
}

#[test]
#[ignore = "is the process that the test of the takeover kills"]
fn child_steers_to_b_and_is_killed() {
    assert!(
        std::env::var_os(CHILD).is_some(),
        "only for the test of the takeover"
    );
    let mut steering = open();
    steering.steer(Side::B).expect("steer");
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).expect("kill");
}

#[test]
fn a_port_that_was_created_anew_is_noticed_and_repaired() {
    with_rig(|| {
        let mut steering = open();
        steering.steer(Side::B).expect("steer");
        sh("ip link del vf1");
        let missing = steering.current().expect_err("vf1 is gone").to_string();
        assert!(
            missing.contains("ports.b") && missing.contains("`vf1`"),
            "{missing}"
        );
        veth("vf1", "vf1i");
        let detached = steering.current().expect_err("another vf1").to_string();
        assert!(detached.contains("`vf1` is no longer part"), "{detached}");
        assert_eq!(arrives_at(), None);

        drop(steering);
        let steering = open();
        assert_eq!(steering.current().expect("current"), Some(Side::B));
        assert_eq!(arrives_at(), Some(Side::B));
    });
}

#[test]
fn a_removed_filter_is_noticed() {
    with_rig(|| {
        let steering = open();
        sh("tc filter del dev nic0 ingress pref 1");
        let error = steering.current().expect_err("detached").to_string();
        assert!(error.contains("`nic0` is no longer part"), "{error}");
        steering.close().expect("the rest can still be removed");
    });
}

#[test]
fn devices_that_are_missing_down_or_the_same_are_named() {
    with_rig(|| {
        let before = tc_state();
        let missing = refusal(&rig_with("a", "vf9")).to_string();
        assert!(
            missing.contains("steering.ports.a") && missing.contains("`vf9`"),
            "{missing}"
        );
        let long = refusal(&rig_with("nic", "a-name-too-long-for-a-device")).to_string();
        assert!(long.contains("there is no network device"), "{long}");
        let same = refusal(&rig_with("b", "vf0")).to_string();
        assert!(same.contains("ports.a and steering.ports.b"), "{same}");
        sh("ip link set vf1 down");
        let down = refusal(&rig_with("", "")).to_string();
        assert!(down.contains("ip link set vf1 up"), "{down}");
        assert_eq!(tc_state(), before);
    });
}

#[test]
fn a_nic_that_serves_another_pair_is_refused_and_left_alone() {
    with_rig(|| {
        veth("vf2", "vf2i");
        let mut first = open();
        first.steer(Side::B).expect("steer");
        let error = refusal(&rig_with("b", "vf2"));
        assert!(
            matches!(&error, SteeringError::Ebpf(EbpfError::OtherPorts { port, .. }) if port == "vf1"),
            "{error}"
        );
        let swapped = "backend = \"ebpf\"\nnic = \"nic0\"\nports = { a = \"vf1\", b = \"vf0\" }";
        refusal(swapped);
        assert_eq!(first.current().expect("current"), Some(Side::B));
        assert_eq!(arrives_at(), Some(Side::B));
    });
}

#[test]
fn devices_of_another_pair_are_refused_and_left_alone() {
    with_rig(|| {
        veth("wire2", "nic2");
        veth("vf2", "vf2i");
        let first = open();
        let before = tc_state();
        for (nic, a, b) in [
            ("nic2", "vf2", "vf1"),
            ("nic2", "vf2", "nic0"),
            ("vf0", "vf2", "nic2"),
        ] {
            let ports = format!("ports = {{ a = \"{a}\", b = \"{b}\" }}");
            let error = refusal(&format!("backend = \"ebpf\"\nnic = \"{nic}\"\n{ports}"));
            let other = matches!(&error, SteeringError::Ebpf(EbpfError::OtherPair { .. }));
            assert!(other, "{nic} {a} {b}: {error}");
            assert_eq!(tc_state(), before);
        }
        first.current().expect("not disturbed");
    });
}

#[test]
fn ports_of_a_nic_that_is_gone_are_free() {
    with_rig(|| {
        drop(open());
        sh("ip link del nic0");
        veth("wire", "nic0");
        let mut steering = open();
        steering.steer(Side::A).expect("steer");
        assert_eq!(arrives_at(), Some(Side::A));
        steering.close().expect("close");
        assert!(!tc_state().contains("clsact"), "{}", tc_state());
    });
}

#[test]
fn a_foreign_filter_is_refused_and_left_alone() {
    with_rig(|| {
        sh("tc qdisc add dev vf1 clsact");
        sh("tc filter add dev vf1 ingress protocol all pref 1 u32 match u8 0 0");
        let before = tc_state();
        let error = refusal(&rig_with("", ""));
        assert!(
            matches!(&error, SteeringError::Ebpf(EbpfError::Foreign { device, .. }) if device == "vf1"),
            "{error}"
        );
        assert_eq!(
            tc_state(),
            before,
            "what was installed before the error is gone"
        );
    });
}

#[test]
fn missing_privileges_are_named() {
    with_rig(|| {
        caps::clear(None, caps::CapSet::Effective).expect("give up privileges");
        let error = config().open().expect_err("no privileges").to_string();
        assert!(
            error.contains("CAP_NET_ADMIN") && error.contains("CAP_BPF"),
            "{error}"
        );
    });
}

#[test]
fn a_takeover_without_privileges_says_which() {
    with_rig(|| {
        drop(open());
        caps::clear(None, caps::CapSet::Effective).expect("give up privileges");
        let error = config().open().expect_err("no privileges").to_string();
        assert!(error.contains("CAP_SYS_ADMIN"), "{error}");
    });
}
