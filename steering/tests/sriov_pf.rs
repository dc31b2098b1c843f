//! Steering of VFs on a NIC, real or emulated, with traffic. `VSWSUP_PF` names the PF's device, which
//! has two VFs with network devices of their own (their driver is not vfio-pci), and `VSWSUP_WIRE` the
//! device at the other end of the PF's cable.

mod common;

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use common::frames::{GUEST, OUTSIDE, Socket};
use common::load::flip_under_load;
use common::notices::Notices;
use common::{parse, sh};
use steering::{Side, Steering};

fn variable(name: &str, what: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("needs {what}: set {name}"))
}

fn pf() -> String {
    variable("VSWSUP_PF", "an SR-IOV PF with two VFs")
}

fn wire() -> String {
    variable("VSWSUP_WIRE", "the other end of the PF's cable")
}

fn open(pf: &str, more: &str) -> Box<dyn Steering> {
    let config = parse(&format!("pf = \"{pf}\"\nvfs = [0, 1]\n{more}"));
    config.open().unwrap_or_else(|error| panic!("{error}"))
}

/// The guest's address is delivered to the VF in use.
const BY_ADDRESS: &str = "backend = \"sriov-mac\"\naddress = \"02:00:00:00:00:01\"";
/// The guest's VLAN is delivered to the VF in use.
const BY_VLAN: &str = "backend = \"sriov-vlan\"\nvlan = 100\naddress = \"02:00:00:00:00:01\"";

fn steer(steering: &mut dyn Steering, to: Side) {
    steering.steer(to).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(steering.current().expect("current"), Some(to));
}

/// Calls the devices as the load wants them, and sets them up; gives the names back with this value.
struct Renamed(Vec<[String; 2]>);

impl Renamed {
    fn new(pf: &str, wire: &str) -> Self {
        let vf = |number: u32| {
            let folder = format!("/sys/class/net/{pf}/device/virtfn{number}/net");
            let mut devices = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder}: {e}"));
            let device = devices.next().expect("a network device").expect("readable");
            device.file_name().into_string().expect("text")
        };
        let names = [(wire.to_owned(), "wire"), (vf(0), "vf0i"), (vf(1), "vf1i")];
        let renamed = names.map(|(from, to)| {
            rename(&from, to);
            [from, to.to_owned()]
        });
        let this = Self(renamed.into());
        for [_, name] in &this.0 {
            wait_for_carrier(name);
        }
        this
    }
}

impl Drop for Renamed {
    fn drop(&mut self) {
        for [before, now] in &self.0 {
            rename(now, before);
        }
    }
}

fn rename(from: &str, to: &str) {
    sh(&format!("ip link set {from} down"));
    sh(&format!("ip link set {from} name {to}"));
    sh(&format!("ip link set {to} up"));
}

fn wait_for_carrier(device: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let carrier = || fs::read_to_string(format!("/sys/class/net/{device}/carrier"));
    while !carrier().is_ok_and(|carrier| carrier.trim() == "1") {
        assert!(Instant::now() < deadline, "{device} gets no carrier");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs an SR-IOV PF: set VSWSUP_PF"]
fn each_move_is_one_request_is_read_back_and_is_given_back() {
    let pf = pf();
    let before = sh(&format!("ip link show {pf}"));
    for more in [BY_ADDRESS, BY_VLAN] {
        let mut steering = open(&pf, more);
        steer(steering.as_mut(), Side::A);
        let notices = Notices::open();
        for side in [Side::B, Side::A, Side::B] {
            notices.count();
            let start = Instant::now();
            steering
                .steer(side)
                .unwrap_or_else(|error| panic!("{error}"));
            println!("{more:?} to {side}: {:?}", start.elapsed());
            assert_eq!(notices.count(), 1);
            let next = open(&pf, more);
            assert_eq!(next.current().expect("current"), Some(side));
        }
        steering.close().expect("close");
        assert_eq!(sh(&format!("ip link show {pf}")), before);
    }
}

#[test]
#[ignore = "needs an SR-IOV PF and its wire: set VSWSUP_PF and VSWSUP_WIRE"]
fn nothing_is_lost_doubled_or_reordered_by_address() {
    let pf = pf();
    let _names = Renamed::new(&pf, &wire());
    let mut steering = open(&pf, BY_ADDRESS);
    steer(steering.as_mut(), Side::A);
    wait_for_frames(Side::A);
    flip_under_load(steering.as_mut());
    steering.close().expect("close");
}

/// The first frames may meet a link that is just coming up.
fn wait_for_frames(side: Side) {
    let at = Socket::open(match side {
        Side::A => "vf0i",
        Side::B => "vf1i",
    });
    let wire = Socket::open("wire");
    let deadline = Instant::now() + Duration::from_secs(10);
    while at.wait().is_none() {
        assert!(Instant::now() < deadline, "nothing arrives at {side}");
        assert!(wire.send_to(GUEST, OUTSIDE, 0));
    }
    while at.wait().is_some() {}
}
