//! The active one's device is taken away under traffic. Nobody asks for anything: traffic moves to the
//! standby and its device, guests go on talking to each other without a trace, and the old instance
//! ends and waits for its device.

mod support;

use std::process::Command;
use support::record::{command, entry, refused, told, wait_for, wait_until};
use support::{assert_without_a_trace, measured, steady, three_flows};
use vswsup_tests::emulator::{Report, Running};
use vswsup_tests::rig::{Rig, RigConfig};

/// Packets that show that a flow goes on.
const ENOUGH: u64 = 5_000;
const BY_THE_UPLINK: [&str; 2] = ["uplink to VM", "VM to uplink"];

#[test]
fn the_active_one_loses_its_device() {
    let report = measured(lose_the_device);
    assert_without_a_trace(report.flow("VM to VM").unwrap());
    for name in BY_THE_UPLINK {
        let flow = report.flow(name).unwrap();
        assert_eq!((flow.doubled, flow.disconnects), (0, 0), "{name}");
        assert!(flow.lost > 0, "{name}: the device was not taken away");
    }
}

fn lose_the_device() -> Report {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let running = three_flows(&rig, steady);
    let before = told(&rig, &["status"]);
    assert_eq!(before["active"], "a");
    // The device of `a`, and with it the one that steering delivers to.
    let deleted = Command::new("ip").args(["link", "del", "vf0"]).status();
    assert!(deleted.unwrap().success());
    let escape = wait_for(&rig, "an escape", || {
        entry(&told(&rig, &["history"]), "kind", "escape")
    });
    assert_eq!((&escape["from"], &escape["to"]), (&"a".into(), &"b".into()));
    assert_eq!(escape["outcome"], "done", "{escape}");
    let cause = escape["cause"].as_str().unwrap();
    assert!(cause.contains("no network device `vf0`"), "{cause}");
    goes_on(&rig, &running);
    wait_until(&rig, "a ends and is held", || {
        let status = told(&rig, &["status"]);
        let a = entry(&status["instances"], "instance", "a").unwrap();
        a["state"] == "down" && a["uplink"]["health"] == "gone"
    });
    refused(&rig, &["promote"], "");
    command(&rig, &["events"]);
    running.stop().unwrap()
}

/// Packets by the uplink arrive again, both ways.
fn goes_on(rig: &Rig, running: &Running) {
    let received = || BY_THE_UPLINK.map(|name| running.report().flow(name).unwrap().received);
    let before = received();
    wait_until(rig, "packets by the uplink", || {
        let mut both = received().into_iter().zip(before);
        both.all(|(now, before)| now - before >= ENOUGH)
    });
}
