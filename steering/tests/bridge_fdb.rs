//! The bridge as backend: who is given what, and what happens to ports that others touch.

mod common;

use common::frames::{EVERYBODY, GUEST, OUTSIDE, Socket};
use common::{bridge_config, open_bridge, sh, with_bridge};
use steering::Side;

/// Nobody's address, and a group's.
const UNKNOWN: [u8; 6] = [2, 0, 0, 0, 0, 9];
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 1, 2, 3];
const SECOND_GUEST: [u8; 6] = [2, 0, 0, 0, 0, 3];

/// The cable and the instances' ends.
struct Ends {
    wire: Socket,
    instances: [Socket; 2],
}

impl Ends {
    fn open() -> Self {
        Self {
            wire: Socket::open("wire"),
            instances: ["vf0i", "vf1i"].map(Socket::open),
        }
    }

    fn at(&self, side: Side) -> &Socket {
        match side {
            Side::A => &self.instances[0],
            Side::B => &self.instances[1],
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

fn flags() -> String {
    ["vf0", "vf1"]
        .map(|port| sh(&format!("bridge -d link show dev {port}")))
        .concat()
}

fn guest_is_behind(port: &str) -> bool {
    sh("bridge fdb show br br0")
        .lines()
        .any(|line| line.starts_with("02:00:00:00:00:01") && line.contains(&format!("dev {port} ")))
}

#[test]
fn the_side_in_use_is_given_all_and_the_other_nothing() {
    with_bridge(|| {
        let mut steering = open_bridge();
        assert_eq!(steering.current().expect("current"), None);
        let ends = Ends::open();
        steering.steer(Side::A).expect("steer");
        ends.at(Side::A).announce();
        assert_eq!(ends.wire.wait(), Some(0));
        for (round, side) in [Side::A, Side::B, Side::A].into_iter().enumerate() {
            steering.steer(side).expect("steer");
            assert_eq!(steering.current().expect("current"), Some(side));
            for (number, to) in (10 * round as u64..).zip([GUEST, EVERYBODY, UNKNOWN, GROUP]) {
                ends.arrives_only_at(side, to, number);
            }
        }
    });
}

#[test]
fn guests_that_appear_or_go_are_followed() {
    with_bridge(|| {
        let mut steering = open_bridge();
        let ends = Ends::open();
        steering.steer(Side::A).expect("steer");
        steering.steer(Side::B).expect("steer");
        ends.at(Side::B)
            .send_to(EVERYBODY, SECOND_GUEST, 1)
            .then_some(())
            .expect("sent");
        assert_eq!(ends.wire.wait(), Some(1));
        steering.steer(Side::A).expect("steer");
        ends.arrives_only_at(Side::A, SECOND_GUEST, 2);

        // It moves to another host, which is on the wire.
        assert!(ends.wire.send_to(EVERYBODY, SECOND_GUEST, 3));
        assert_eq!(ends.at(Side::A).wait(), Some(3));
        assert!(ends.wire.send_to(SECOND_GUEST, OUTSIDE, 4));
        steering.steer(Side::B).expect("steer");
        ends.arrives_only_at(Side::B, GUEST, 5);
        assert_eq!(ends.at(Side::A).receive(), None);
    });
}

#[test]
fn the_last_packets_of_the_side_that_is_left_take_no_address_back() {
    with_bridge(|| {
        let mut steering = open_bridge();
        let ends = Ends::open();
        steering.steer(Side::A).expect("steer");
        ends.at(Side::A).announce();
        assert_eq!(ends.wire.wait(), Some(0));
        ends.arrives_only_at(Side::A, GUEST, 1);
        steering.steer(Side::B).expect("steer");
        assert!(ends.at(Side::A).send_to(OUTSIDE, GUEST, 1));
        assert_eq!(ends.wire.wait(), Some(1), "both sides may send");
        assert!(guest_is_behind("vf1"));
        ends.arrives_only_at(Side::B, GUEST, 2);
    });
}

#[test]
fn addresses_that_do_not_age_move_as_they_are() {
    with_bridge(|| {
        let mut steering = open_bridge();
        steering.steer(Side::A).expect("steer");
        sh("bridge fdb add 02:00:00:00:00:07 dev vf0 master static");
        steering.steer(Side::B).expect("steer");
        let entries = sh("bridge fdb show br br0");
        let moved = "02:00:00:00:00:07 dev vf1 master br0 static";
        assert!(entries.contains(moved), "{entries}");
        // A kernel with VLAN filtering has it once more for each VLAN of the port.
        let left = "02:00:00:00:00:07 dev vf0 ";
        assert!(!entries.contains(left), "{entries}");
    });
}

#[test]
fn the_next_supervisor_finds_the_side_and_touches_nothing() {
    with_bridge(|| {
        let mut steering = open_bridge();
        steering.steer(Side::B).expect("steer");
        drop(steering);
        let before = flags();
        let steering = open_bridge();
        assert_eq!(steering.current().expect("current"), Some(Side::B));
        assert_eq!(flags(), before);
    });
}

#[test]
fn what_was_found_is_given_back() {
    with_bridge(|| {
        let before = flags();
        let mut steering = open_bridge();
        steering.steer(Side::A).expect("steer");
        steering.steer(Side::B).expect("steer");
        assert_ne!(flags(), before);
        steering.close().expect("close");
        assert_eq!(flags(), before);
    });
}

#[test]
fn a_port_without_carrier_is_refused_and_the_other_stays_in_use() {
    with_bridge(|| {
        let mut steering = open_bridge();
        let ends = Ends::open();
        steering.steer(Side::A).expect("steer");
        ends.at(Side::A).announce();
        assert_eq!(ends.wire.wait(), Some(0));
        sh("ip link set vf1i down");
        let error = steering.steer(Side::B).expect_err("no carrier");
        let error = error.to_string();
        assert!(error.contains("does not forward to `vf1`"), "{error}");
        assert_eq!(steering.current().expect("current"), Some(Side::A));
        ends.arrives_only_at(Side::A, GUEST, 1);
        sh("ip link set vf1i up");
        steering.steer(Side::B).expect("steer");
    });
}

#[test]
fn a_port_that_goes_and_comes_is_steered_to_again() {
    with_bridge(|| {
        let mut steering = open_bridge();
        let ends = Ends::open();
        steering.steer(Side::A).expect("steer");
        ends.at(Side::A).announce();
        assert_eq!(ends.wire.wait(), Some(0));

        sh("ip link del vf0");
        assert!(steering.steer(Side::A).is_err(), "it is gone");
        steering.steer(Side::B).expect("the other one is there");
        assert_eq!(steering.current().expect("current"), Some(Side::B));
        common::veth("vf0", "vf0i");
        sh("ip link set vf0 master br0");
        assert_eq!(steering.current().expect("current"), Some(Side::B));
        drop(ends);

        steering.steer(Side::B).expect("steer");
        Ends::open().arrives_only_at(Side::B, UNKNOWN, 1);
        steering.steer(Side::A).expect("steer");
        Ends::open().arrives_only_at(Side::A, UNKNOWN, 2);
    });
}

#[test]
fn a_move_that_was_cut_short_is_known_and_can_be_made_good() {
    with_bridge(|| {
        let mut steering = open_bridge();
        let ends = Ends::open();
        steering.steer(Side::A).expect("steer");
        ends.at(Side::A).announce();
        assert_eq!(ends.wire.wait(), Some(0));
        sh("ip link set vf0 type bridge_slave learning off");
        let mut next = open_bridge();
        assert_eq!(next.current().expect("current"), Some(Side::A));
        ends.arrives_only_at(Side::A, GUEST, 1);
        sh("ip link set vf1 type bridge_slave learning on flood on mcast_flood on bcast_flood on");
        assert_eq!(open_bridge().current().expect("current"), Some(Side::B));
        next.steer(Side::B).expect("steer");
        ends.arrives_only_at(Side::B, GUEST, 2);
        ends.arrives_only_at(Side::B, EVERYBODY, 3);
    });
}

#[test]
fn ports_that_nobody_can_tell_apart_are_not_guessed_at() {
    with_bridge(|| {
        let mut steering = open_bridge();
        steering.steer(Side::A).expect("steer");
        sh(
            "ip link set vf0 type bridge_slave learning off flood off mcast_flood off bcast_flood off",
        );
        let error = steering.current().expect_err("none is in use").to_string();
        assert!(error.contains("bcast_flood on"), "{error}");
    });
}

#[test]
fn a_bridge_that_snoops_is_refused() {
    with_bridge(|| {
        let mut steering = open_bridge();
        sh("ip link set br0 type bridge mcast_snooping 1");
        let error = bridge_config().open().expect_err("refused").to_string();
        assert!(error.contains("mcast_snooping 0"), "{error}");
        assert!(steering.current().is_err(), "it was switched on meanwhile");
        sh("ip link set br0 type bridge mcast_snooping 0");
        steering.steer(Side::A).expect("steer");
    });
}

#[test]
fn ports_of_no_bridge_and_of_two_are_refused() {
    with_bridge(|| {
        let refused = || bridge_config().open().expect_err("refused").to_string();
        sh("ip link set vf1 nomaster");
        let error = refused();
        assert!(error.contains("ip link set vf1 master"), "{error}");
        sh("ip link add br1 type bridge");
        sh("ip link set vf1 master br1");
        let error = refused();
        assert!(error.contains("two bridges"), "{error}");
        sh("ip link del vf1");
        let error = refused();
        assert!(error.contains("no network device `vf1`"), "{error}");
    });
}
