//! `etc/steering-example`, as an operator would use it: it moves frames between ports of a bridge.

mod common;

use common::frames::Socket;
use common::{in_namespace, parse, sh, veth};
use steering::{Side, Steering, SteeringConfig};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../etc/steering-example");

/// `wire` leads into the bridge, `vf0i` and `vf1i` out of it.
fn bridge() -> SteeringConfig {
    sh("ip link add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0");
    sh("ip link set br0 up");
    for (port, end) in [("uplink", "wire"), ("vf0", "vf0i"), ("vf1", "vf1i")] {
        veth(port, end);
        sh(&format!("ip link set {port} master br0"));
        sh(&format!("bridge link set dev {port} learning off"));
    }
    parse(&format!(
        r#"backend = "command"
program = "{PROGRAM}"
args = ["br0", "02:00:00:00:00:01", "vf0", "vf1"]"#
    ))
}

/// The static entries; the kernel's own come and go.
fn entries() -> Vec<String> {
    let all = sh("bridge fdb show br br0");
    all.lines()
        .filter(|entry| entry.contains("static"))
        .map(str::to_owned)
        .collect()
}

fn steer(steering: &mut dyn Steering, to: Side) {
    steering.steer(to).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(steering.current().expect("current"), Some(to));
}

#[test]
fn moves_an_address_of_a_bridge_and_gives_it_back() {
    in_namespace(|| {
        let config = bridge();
        sh("bridge fdb add 02:00:00:00:00:09 dev vf0 master static");
        let before = entries();
        assert_eq!(before.len(), 1);
        let mut steering = config.open().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(steering.current().expect("current"), None);
        let [wire, a, b] = ["wire", "vf0i", "vf1i"].map(Socket::open);
        for (number, to) in [(1, Side::A), (2, Side::B), (3, Side::B), (4, Side::A)] {
            steer(steering.as_mut(), to);
            assert!(wire.send(number), "sent");
            let (new, old) = match to {
                Side::A => (&a, &b),
                Side::B => (&b, &a),
            };
            assert_eq!(new.wait(), Some(number));
            assert_eq!(old.receive(), None);
        }
        steering.close().expect("close");
        assert_eq!(entries(), before);
    });
}

#[test]
fn tells_what_is_wrong() {
    in_namespace(|| {
        let config = bridge();
        let mut steering = config.open().expect("open");
        sh("ip link del vf1");
        let error = steering
            .steer(Side::B)
            .expect_err("no such port")
            .to_string();
        assert!(
            error.contains("steer b") && error.contains("vf1"),
            "{error}"
        );
        sh("bridge fdb replace 02:00:00:00:00:01 dev uplink master static");
        let error = steering.current().expect_err("elsewhere").to_string();
        assert!(error.contains("at uplink of br0"), "{error}");
    });
}
