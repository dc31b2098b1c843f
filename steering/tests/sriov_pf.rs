//! Steering of VFs on a NIC with SR-IOV, real or emulated: what its driver is told and shows. `VSWSUP_PF`
//! names the PF's network device, which is up and has two VFs that nobody uses. No packet flows here.

mod common;

use std::env;
use std::time::Instant;

use common::notices::Notices;
use common::{parse, sh};
use steering::{Side, Steering};

const BY_ADDRESS: &str = "backend = \"sriov-mac\"\naddress = \"02:aa:00:00:00:01\"";
const BY_VLAN: &str = "backend = \"sriov-vlan\"\nvlan = 100\naddress = \"02:aa:00:00:00:01\"";

fn pf() -> String {
    env::var("VSWSUP_PF").expect("needs an SR-IOV PF with two VFs: set VSWSUP_PF")
}

fn open(pf: &str, more: &str) -> Box<dyn Steering> {
    let config = parse(&format!("pf = \"{pf}\"\nvfs = [0, 1]\n{more}"));
    config.open().unwrap_or_else(|error| panic!("{error}"))
}

fn state(pf: &str) -> String {
    sh(&format!("ip link show {pf}"))
}

/// As nobody steers them; what an earlier test left is gone.
fn reset(pf: &str) {
    for vf in 0..2 {
        let settings = format!("mac 02:00:00:00:01:0{vf} vlan 0 spoofchk on trust off");
        sh(&format!("ip link set {pf} vf {vf} {settings}"));
    }
}

fn steer(steering: &mut dyn Steering, to: Side) {
    let start = Instant::now();
    steering.steer(to).unwrap_or_else(|error| panic!("{error}"));
    println!("to {to}: {:?}", start.elapsed());
}

#[test]
#[ignore = "needs an SR-IOV PF: set VSWSUP_PF"]
fn each_move_is_one_request_and_is_read_back_and_all_is_given_back() {
    let pf = pf();
    for more in [BY_ADDRESS, BY_VLAN] {
        reset(&pf);
        let before = state(&pf);
        let mut steering = open(&pf, more);
        assert_eq!(steering.current().expect("current"), None);
        steer(steering.as_mut(), Side::A);
        let notices = Notices::open();
        for to in [Side::B, Side::A].into_iter().cycle().take(20) {
            steer(steering.as_mut(), to);
            assert_eq!(notices.count(), 1, "{more}");
            let next = open(&pf, more);
            assert_eq!(next.current().expect("current"), Some(to), "{more}");
        }
        steering.close().expect("close");
        assert_eq!(state(&pf), before, "{more}");
    }
}
