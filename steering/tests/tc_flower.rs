//! Switchdev steering, carried out by the kernel on veths: who is given what, and what happens to
//! rules and devices that others touch.
//!
//! All but one test need a kernel with cls_flower and act_mirred.

mod common;

use common::frames::{EVERYBODY, GUEST, OUTSIDE, Socket};
use common::load::flip_under_load;
use common::{flower_config, in_namespace, open_flower, sh, tc_state, tc_state_of, veth, with_rig};
use steering::{Side, Steering};

/// Nobody's address, and a group's.
const UNKNOWN: [u8; 6] = [2, 0, 0, 0, 0, 9];
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 1, 2, 3];

/// The cable and the instances' ends.
struct Ends {
    wire: Socket,
    a: Socket,
    b: Socket,
}

impl Ends {
    fn open() -> Self {
        let [wire, a, b] = ["wire", "vf0i", "vf1i"].map(Socket::open);
        Self { wire, a, b }
    }

    fn at(&self, side: Side) -> &Socket {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// A frame from the wire arrives at this side only.
    fn arrives_only_at(&self, side: Side, to: [u8; 6], number: u64) {
        assert!(self.wire.send_to(to, OUTSIDE, number));
        assert_eq!(self.at(side).wait(), Some(number), "{to:x?} at {side}");
        let other = self.at(side.other()).receive();
        assert_eq!(other, None, "{to:x?} not at {}", side.other());
    }
}

fn steered_to(side: Side) -> Box<dyn Steering> {
    let mut steering = open_flower();
    steering
        .steer(side)
        .unwrap_or_else(|error| panic!("{error}"));
    steering
}

fn refused() -> String {
    flower_config().open().expect_err("refused").to_string()
}

/// A kernel that cannot do it is named, and nothing stays behind.
#[test]
fn it_opens_or_says_what_the_kernel_lacks() {
    with_rig(|| {
        let before = tc_state();
        match flower_config().open() {
            Ok(steering) => steering.close().expect("close"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("cls_flower"), "{error}");
            }
        }
        assert_eq!(tc_state(), before);
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn the_side_in_use_is_given_all_and_the_other_nothing() {
    with_rig(|| {
        let mut steering = open_flower();
        assert_eq!(steering.current().expect("current"), None);
        let ends = Ends::open();
        let host = Socket::open("nic0");
        for (round, side) in [Side::A, Side::B, Side::A, Side::B].into_iter().enumerate() {
            steering
                .steer(side)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(steering.current().expect("current"), Some(side));
            for (number, to) in (10 * round as u64..).zip([GUEST, EVERYBODY, UNKNOWN, GROUP]) {
                ends.arrives_only_at(side, to, number);
            }
            for side in Side::BOTH {
                assert!(ends.at(side).send_to(OUTSIDE, GUEST, 1));
                assert_eq!(ends.wire.wait(), Some(1), "both sides may send");
            }
        }
        assert_eq!(host.receive(), None, "frames that reached the host");
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn nothing_is_lost_doubled_or_reordered_under_load() {
    with_rig(|| {
        let mut steering = steered_to(Side::A);
        flip_under_load(steering.as_mut());
        steering.close().expect("close");
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn the_next_supervisor_finds_the_side_and_touches_nothing() {
    with_rig(|| {
        for side in [Side::A, Side::B] {
            drop(steered_to(side));
            let before = tc_state();
            let mut steering = open_flower();
            assert_eq!(steering.current().expect("current"), Some(side));
            assert_eq!(tc_state(), before);
            steering.steer(side.other()).expect("steer");
            assert_eq!(steering.current().expect("current"), Some(side.other()));
        }
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn what_was_found_is_given_back() {
    with_rig(|| {
        let before = tc_state();
        for moves in [
            &[][..],
            &[Side::A],
            &[Side::B],
            &[Side::B, Side::A],
            &[Side::A, Side::B],
        ] {
            let mut steering = open_flower();
            for side in moves {
                steering.steer(*side).expect("steer");
            }
            assert_ne!(tc_state(), before);
            // Whoever closes it need not be who opened it.
            drop(steering);
            open_flower().close().expect("close");
            assert_eq!(tc_state(), before, "{moves:?}");
        }
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn filters_and_qdiscs_of_others_stay() {
    with_rig(|| {
        sh("tc qdisc add dev nic0 clsact");
        sh("tc filter add dev nic0 ingress protocol all pref 9 u32 match u8 0 0");
        let before = tc_state();
        let steering = steered_to(Side::B);
        steering.close().expect("close");
        assert_eq!(tc_state(), before);

        let steering = steered_to(Side::A);
        sh("tc filter add dev vf0 egress protocol all pref 9 u32 match u8 0 0");
        steering.close().expect("close");
        assert!(sh("tc qdisc show dev vf0").contains("clsact"));
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn a_filter_of_others_that_would_come_first_is_refused() {
    for (device, priority) in [("nic0", 2), ("nic0", 1), ("vf1", 1)] {
        with_rig(move || {
            sh(&format!("tc qdisc add dev {device} clsact"));
            sh(&format!(
                "tc filter add dev {device} ingress protocol all pref {priority} u32 match u8 0 0"
            ));
            let before = tc_state();
            let error = refused();
            let expected = format!("`{device}` has a tc filter (u32) of another program");
            assert!(error.contains(&expected), "{error}");
            assert_eq!(tc_state(), before);
        });
    }
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn devices_of_another_pair_are_refused() {
    with_rig(|| {
        drop(steered_to(Side::A));
        veth("other", "other-end");
        let crossed = |uplink: &str, a: &str, b: &str| {
            let error = common::flower_config_of(uplink, a, b).open();
            error.expect_err("refused").to_string()
        };
        let error = crossed("nic0", "vf1", "vf0");
        assert!(error.contains("`nic0` leads to `vf0`"), "{error}");
        let error = crossed("other", "vf0", "vf1");
        assert!(error.contains("`vf0` leads to `nic0`"), "{error}");
        let error = crossed("vf0", "other", "vf1");
        assert!(error.contains("`vf0` leads to `nic0`"), "{error}");
        let error = crossed("nic0", "vf0", "vf0");
        assert!(
            error.contains("both are the network device `vf0`"),
            "{error}"
        );
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn what_others_take_off_is_noticed_and_repaired() {
    for line in [
        "tc filter del dev nic0 ingress pref 1",
        "tc qdisc del dev nic0 clsact",
        "tc filter del dev vf1 ingress pref 1",
        "tc qdisc del dev vf1 clsact",
    ] {
        with_rig(move || {
            // Only b has ever been in use: without its rule there is none.
            let steering = steered_to(Side::B);
            sh(line);
            let error = steering.current().expect_err(line).to_string();
            assert!(error.contains("was removed"), "{line}: {error}");
            drop(steering);
            let mut steering = open_flower();
            steering.steer(Side::B).expect("steer");
            assert_eq!(steering.current().expect("current"), Some(Side::B));
            Ends::open().arrives_only_at(Side::B, GUEST, 1);
        });
    }
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn a_representor_that_is_made_anew_is_steered_to_again() {
    with_rig(|| {
        let mut steering = steered_to(Side::A);
        sh("ip link del vf0");
        let error = steering.current().expect_err("gone").to_string();
        assert!(error.contains("no network device `vf0`"), "{error}");
        veth("vf0", "vf0i");
        let error = steering.current().expect_err("another").to_string();
        assert!(error.contains("vf0"), "{error}");
        steering.steer(Side::A).expect("steer");
        assert_eq!(steering.current().expect("current"), Some(Side::A));
        Ends::open().arrives_only_at(Side::A, GUEST, 1);
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn a_side_that_cannot_be_reached_is_refused_and_the_other_stays_in_use() {
    with_rig(|| {
        let mut steering = steered_to(Side::A);
        let ends = Ends::open();
        sh("ip link set vf1 down");
        let error = steering.steer(Side::B).expect_err("down").to_string();
        assert!(error.contains("`vf1` is down"), "{error}");
        ends.arrives_only_at(Side::A, GUEST, 1);
        sh("ip link set vf1 up");
        assert_eq!(steering.current().expect("current"), Some(Side::A));
        steering.steer(Side::B).expect("steer");
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn the_healthy_side_is_steered_to_whatever_became_of_the_other() {
    for broken in [
        "ip link del vf1",
        "ip link set vf1 down",
        "tc qdisc del dev vf1 clsact",
    ] {
        for first in [&[Side::B][..], &[Side::A, Side::B]] {
            with_rig(move || {
                let mut steering = open_flower();
                for side in first {
                    steering.steer(*side).expect("steer");
                }
                sh(broken);
                steering.current().expect_err(broken);
                let moved = steering.steer(Side::A);
                moved.unwrap_or_else(|error| panic!("{broken}: {error}"));
                assert_eq!(steering.current().expect(broken), Some(Side::A));
                let [wire, a] = ["wire", "vf0i"].map(Socket::open);
                assert!(wire.send_to(GUEST, OUTSIDE, 1));
                assert_eq!(a.wait(), Some(1), "{broken}");
                steering.close().expect(broken);
                assert!(!tc_state_of(["nic0", "nic0", "vf0"]).contains("clsact"));
            });
        }
    }
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn devices_that_are_down_are_given_back_too() {
    with_rig(|| {
        let before = tc_state();
        let steering = steered_to(Side::B);
        for device in ["nic0", "vf0", "vf1"] {
            sh(&format!("ip link set {device} down"));
        }
        steering.close().expect("close");
        for device in ["nic0", "vf0", "vf1"] {
            sh(&format!("ip link set {device} up"));
        }
        assert_eq!(tc_state(), before);
    });
}

#[test]
#[ignore = "needs a kernel with cls_flower and act_mirred"]
fn a_process_without_the_privilege_is_told_and_changes_nothing() {
    with_rig(|| {
        let mut steering = steered_to(Side::A);
        let ends = Ends::open();
        let before = tc_state();
        caps::drop(
            None,
            caps::CapSet::Effective,
            caps::Capability::CAP_NET_ADMIN,
        )
        .expect("drop");
        let error = steering.steer(Side::B).expect_err("refused").to_string();
        assert!(error.contains("CAP_NET_ADMIN"), "{error}");
        caps::raise(
            None,
            caps::CapSet::Effective,
            caps::Capability::CAP_NET_ADMIN,
        )
        .expect("raise");
        assert_eq!(tc_state(), before);
        ends.arrives_only_at(Side::A, GUEST, 1);
    });
}

#[test]
fn in_hardware_a_device_without_a_switch_is_refused() {
    in_namespace(|| {
        veth("nic0", "wire");
        for more in ["vfs = [0, 1]", r#"ports = { a = "x", b = "y" }"#] {
            let config = format!("backend = \"tc-flower\"\nuplink = \"nic0\"\n{more}");
            let error = common::parse(&config)
                .open()
                .expect_err("refused")
                .to_string();
            assert!(error.contains("hardware = false"), "{error}");
        }
    });
}
