//! Uplinks that are there, with a link, and to which nothing comes: a filter swallows what the NIC gives to
//! them. Nobody asks for anything. Where one is deaf, traffic moves to the other; where both are, nothing
//! moves; and a standby is no spare until a probe has come through.

mod support;

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use support::record::{entry, events_of, of_kind, pid_of, refused, told, wait_for, wait_until};
use support::{measured, steady, three_flows, wait_until_all_receive};
use vswsup_tests::emulator::Report;
use vswsup_tests::rig::{Rig, RigConfig, SoftwareNic};

/// Where what is swallowed goes to: nobody is there.
const PIT: [&str; 2] = ["pit0", "pit1"];
/// Deafness is found after a second; within this nothing has moved that was not to.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

fn run(program: &str, arguments: &str) {
    let outcome = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{program} {arguments}: {outcome:?}"
    );
}

/// To be called in the rig's network namespace, once.
fn dig_pit() {
    run(
        "ip",
        &format!("link add {} type veth peer name {}", PIT[0], PIT[1]),
    );
    PIT.iter()
        .for_each(|end| run("ip", &format!("link set {end} up")));
}

/// Nothing reaches the instance behind `port` any more.
fn swallow(port: &str) {
    let filter = "protocol all prio 9 u32 match u32 0 0 action mirred egress redirect dev";
    run(
        "tc",
        &format!("filter add dev {port} egress {filter} {}", PIT[0]),
    );
}

fn give_back(port: &str) {
    run("tc", &format!("filter del dev {port} egress prio 9"));
}

fn health(rig: &Rig, id: &str) -> String {
    let status = told(rig, &["status"]);
    let instance = entry(&status["instances"], "instance", id).unwrap();
    let health = instance["uplink"]["health"].as_str();
    health.unwrap_or("unknown").to_owned()
}

fn escapes(rig: &Rig) -> usize {
    of_kind(&told(rig, &["history"]), "escape").len()
}

fn config() -> RigConfig {
    RigConfig {
        more: RigConfig::DEATHS_ARE_USUAL.to_owned(),
        ..RigConfig::guests(2)
    }
}

#[test]
fn traffic_leaves_an_uplink_that_has_become_deaf() {
    let report = measured(the_active_one_is_deaf);
    for flow in &report.flows {
        let never = (flow.disconnects, flow.doubled, flow.corrupted);
        assert_eq!(never, (0, 0, 0), "{}", flow.name);
    }
    let lost = |name| report.flow(name).unwrap().lost;
    assert_eq!(lost("VM to VM"), 0);
    assert_eq!(lost("VM to uplink"), 0, "what is sent is not swallowed");
    assert!(lost("uplink to VM") > 0, "nothing was swallowed");
}

fn the_active_one_is_deaf() -> Report {
    let rig = Rig::start(&config()).unwrap();
    dig_pit();
    let running = three_flows(&rig, steady);
    let before = told(&rig, &["status"]);
    assert_eq!(
        (&before["active"], health(&rig, "a").as_str()),
        (&"a".into(), "well")
    );
    swallow(SoftwareNic::PORTS[0]);
    let escape = wait_for(&rig, "an escape", || {
        entry(&told(&rig, &["history"]), "kind", "escape")
    });
    assert_eq!((&escape["from"], &escape["to"]), (&"a".into(), &"b".into()));
    assert_eq!(escape["outcome"], "done", "{escape}");
    let cause = escape["cause"].as_str().unwrap();
    assert!(cause.contains("the uplink of a is deaf"), "{cause}");
    wait_until_all_receive(&rig, &running);

    // It is started again, once, which does not help.
    let old = pid_of(&before, "active");
    wait_until(&rig, "a is another process, and still deaf", || {
        let status = told(&rig, &["status"]);
        let a = entry(&status["instances"], "instance", "a").unwrap();
        a["state"] == "standby" && a["uplink"]["health"] == "deaf" && a["pid"] != old.as_raw()
    });
    assert_eq!(told(&rig, &["status"])["spare"], false);
    refused(&rig, &["promote"], "the uplink of a is deaf");
    give_back(SoftwareNic::PORTS[0]);
    wait_until(&rig, "a spare", || told(&rig, &["status"])["spare"] == true);
    let status = told(&rig, &["status"]);
    assert_eq!(
        (&status["active"], escapes(&rig)),
        (&"b".into(), 1),
        "it stays"
    );
    let texts: Vec<_> = events_of(&rig, "uplink")
        .iter()
        .map(|event| event["text"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        texts[0].starts_with("the uplink of a is deaf: 5 probes"),
        "{texts:?}"
    );
    assert_eq!(texts.last().unwrap(), "the uplink of a is well");
    running.stop().unwrap()
}

#[test]
fn where_both_are_deaf_nothing_moves() {
    let rig = Rig::start(&config()).unwrap();
    dig_pit();
    let before = told(&rig, &["status"]);
    SoftwareNic::PORTS.iter().for_each(|port| swallow(port));
    wait_until(&rig, "both are deaf, and b was started again", || {
        let status = told(&rig, &["status"]);
        let b = entry(&status["instances"], "instance", "b").unwrap();
        b["state"] == "standby"
            && b["pid"] != pid_of(&before, "standby").as_raw()
            && [health(&rig, "a"), health(&rig, "b")] == ["deaf", "deaf"]
    });
    sleep(LONG_ENOUGH);
    let status = told(&rig, &["status"]);
    assert_eq!((&status["active"], escapes(&rig)), (&"a".into(), 0));
    assert_eq!(pid_of(&status, "active"), pid_of(&before, "active"));
    assert_eq!(status["spare"], true, "it is as good as the other");
    SoftwareNic::PORTS.iter().for_each(|port| give_back(port));
    wait_until(&rig, "both hear", || {
        [health(&rig, "a"), health(&rig, "b")] == ["well", "well"]
    });
    assert_eq!(
        (told(&rig, &["status"])["active"].as_str(), escapes(&rig)),
        (Some("a"), 0)
    );
}

#[test]
fn a_standby_is_no_spare_before_a_probe_has_come_through() {
    let rig = Rig::start(&config()).unwrap();
    dig_pit();
    let standby = pid_of(&told(&rig, &["status"]), "standby");
    swallow(SoftwareNic::PORTS[1]);
    nix::sys::signal::kill(standby, nix::sys::signal::Signal::SIGKILL).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    wait_until(&rig, "b stands by, and is deaf", || {
        let status = told(&rig, &["status"]);
        let b = entry(&status["instances"], "instance", "b").unwrap();
        let is_new = b["state"] == "standby" && b["pid"] != standby.as_raw();
        if is_new {
            assert_eq!(status["spare"], false, "{status}");
            seen.insert(b["uplink"]["health"].as_str().unwrap().to_owned());
        }
        is_new && b["uplink"]["health"] == "deaf"
    });
    assert!(seen.contains("unproven"), "{seen:?}");
    give_back(SoftwareNic::PORTS[1]);
    wait_until(&rig, "a spare", || told(&rig, &["status"])["spare"] == true);
    assert_eq!((health(&rig, "b").as_str(), escapes(&rig)), ("well", 0));
}

/// The mechanism switched off: the same that moves traffic above moves nothing here.
#[test]
fn without_probes_nobody_finds_out_and_status_says_so() {
    let rig = Rig::start(&RigConfig {
        uplink_keys: "probe = \"off\"\n",
        ..config()
    })
    .unwrap();
    dig_pit();
    swallow(SoftwareNic::PORTS[0]);
    sleep(LONG_ENOUGH);
    let status = told(&rig, &["status"]);
    assert_eq!((&status["active"], escapes(&rig)), (&"a".into(), 0));
    assert_eq!(health(&rig, "a"), "well", "nothing is known against it");
    let said = rig.supervisor().command(&["status"]).unwrap().stdout;
    let note = "note: uplink of a is not probed: uplink.probe is \"off\"";
    assert!(said.contains(note), "{said}");
}
