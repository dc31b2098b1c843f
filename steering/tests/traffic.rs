//! Each backend under load: every frame arrives once, on one port, in order, whatever is steered.

mod common;

use common::frames::Socket;
use common::load::flip_under_load;
use common::{open, open_bridge, with_bridge, with_rig};
use steering::Side;

#[test]
fn the_software_nic_loses_doubles_and_reorders_nothing() {
    with_rig(|| {
        let mut steering = open();
        steering.steer(Side::A).expect("steer");
        let host = Socket::open("nic0");
        flip_under_load(steering.as_mut());
        assert_eq!(
            host.arrived(),
            0,
            "frames that reached the host's network stack"
        );
        steering.close().expect("close");
    });
}

#[test]
fn a_bridge_loses_doubles_and_reorders_nothing_to_a_known_address() {
    with_bridge(|| {
        let mut steering = open_bridge();
        steering.steer(Side::A).expect("steer");
        Socket::open("vf0i").announce();
        flip_under_load(steering.as_mut());
        steering.close().expect("close");
    });
}
