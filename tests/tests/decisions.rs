//! A pin and a quarantine outlive the supervisor that had them, and end with an orderly stop.

mod support;

use nix::sys::signal::{Signal, kill};
use std::thread;
use std::time::Duration;
use support::record::{command, entry, of_kind, pid_of, told, wait_until};
use support::{PATIENCE, one_way, rig_with_faults, wait_until_all_go_on};
use vswsup_tests::emulator::{GuestSpec, Running, Socket};
use vswsup_tests::rig::Rig;

/// Supervisors killed while they pin.
const ROUNDS: u32 = 12;
/// So long that a takeover, or a start, would have come to pass.
const LONG: Duration = Duration::from_secs(1);
/// A port that the configuration does not know.
const LATE: &str = "late";

#[test]
fn a_pin_outlives_the_supervisor() {
    let mut rig = rig_with_faults(2);
    let running = one_way(&rig);
    command(&rig, &["pin"]);
    kill_and_start_again(&mut rig);
    let status = told(&rig, &["status"]);
    assert_eq!(status["pinned"], true, "{}", rig.supervisor().log());
    let promote = rig.supervisor().command(&["promote"]).unwrap();
    assert!(promote.stderr.contains("vswsup unpin"), "{promote:?}");

    let active = pid_of(&status, "active");
    kill(active, Signal::SIGKILL).unwrap();
    wait_until(&rig, "the end of the active one", || {
        !of_kind(&told(&rig, &["events"]), "ended").is_empty()
    });
    thread::sleep(LONG);
    let status = told(&rig, &["status"]);
    assert!(status["active"].is_null(), "{status}");

    command(&rig, &["unpin"]);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    kill_and_start_again(&mut rig);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    assert_eq!(told(&rig, &["status"])["pinned"], false);
    wait_until_all_go_on(&rig, &running);
    for flow in running.stop().unwrap().flows {
        assert_eq!((flow.disconnects, flow.corrupted), (0, 0), "{flow}");
    }
}

/// Whoever was told that it is pinned can rely on it.
#[test]
fn a_pin_that_was_confirmed_is_kept_whenever_the_supervisor_dies() {
    let mut rig = rig_with_faults(2);
    let mut confirmed = 0;
    for round in 0..ROUNDS {
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        let mut pin = rig.supervisor().start_command(&["pin"]).unwrap();
        let is_last = round + 1 == ROUNDS;
        if is_last {
            assert!(pin.wait().unwrap().success());
        } else {
            thread::sleep(Duration::from_millis(round.into()));
        }
        rig.supervisor_mut().kill().unwrap();
        let is_confirmed = pin.wait().unwrap().success();
        confirmed += u32::from(is_confirmed);
        rig.supervisor_mut().start_again().unwrap();
        answers(&rig);
        let pinned = told(&rig, &["status"])["pinned"] == true;
        let log = rig.supervisor().log();
        assert!(pinned || !is_confirmed, "round {round}\n{log}");
        command(&rig, &["unpin"]);
    }
    println!("{confirmed} of {ROUNDS} were confirmed");
}

#[test]
fn an_orderly_stop_ends_a_pin_and_a_quarantine() {
    let mut rig = rig_with_faults(2);
    let running = one_way(&rig);
    quarantine(&rig, "vm1");
    rig.set_faults("").unwrap();
    command(&rig, &["pin"]);
    rig.supervisor_mut().restart().unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let status = rig.supervisor().command(&["status"]).unwrap();
    assert!(status.status.success(), "{status:?}");
    wait_until_all_go_on(&rig, &running);
}

#[test]
fn a_quarantine_outlives_the_supervisor() {
    let mut rig = rig_with_faults(2);
    let running = one_way(&rig);
    outlives(&mut rig, &running, "vm1");
}

#[test]
fn a_quarantine_of_a_port_of_the_run_time_outlives_the_supervisor() {
    let mut rig = rig_with_faults(2);
    let mut running = one_way(&rig);
    let socket = rig.dir().join("late.sock");
    let path = socket.to_str().unwrap();
    command(&rig, &["port", "add", LATE, "--socket", path]);
    let guest = GuestSpec::idle(Socket::Client(socket));
    running.add_guest(LATE, &guest).unwrap();
    running.wait_for_links(PATIENCE).unwrap();
    outlives(&mut rig, &running, LATE);
}

/// The device behind `port` is poison as long as it is served, by whichever supervisor.
fn outlives(rig: &mut Rig, running: &Running, port: &str) {
    quarantine(rig, port);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    for _ in 0..2 {
        let before = told(rig, &["status"]);
        kill_and_start_again(rig);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        thread::sleep(LONG);
        let after = told(rig, &["status"]);
        for state in ["active", "standby"] {
            let pids = [&before, &after].map(|status| pid_of(status, state));
            assert_eq!(pids[0], pids[1], "{}", rig.supervisor().log());
        }
        let advice = format!("vswsup port release {port}");
        assert!(after["trouble"].to_string().contains(&advice), "{after}");
        let listed = entry(&told(rig, &["port", "list"]), "name", port).unwrap();
        assert_eq!(listed["quarantined"], true, "{listed}");
        assert!(!running.link(port).unwrap().is_up());
    }
    rig.set_faults("").unwrap();
    command(rig, &["port", "release", port]);
    wait_until(rig, "the link", || running.link(port).unwrap().is_up());
    kill_and_start_again(rig);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let listed = entry(&told(rig, &["port", "list"]), "name", port).unwrap();
    assert_eq!(listed["quarantined"], false, "{listed}");
    assert!(running.link(port).unwrap().is_up());
}

fn quarantine(rig: &Rig, port: &str) {
    rig.set_faults(&format!("* poison {port}\n")).unwrap();
    wait_until(rig, "the quarantine", || {
        !of_kind(&told(rig, &["events"]), "quarantined").is_empty()
    });
}

fn kill_and_start_again(rig: &mut Rig) {
    rig.supervisor_mut().kill().unwrap();
    rig.supervisor_mut().start_again().unwrap();
    answers(rig);
}

fn answers(rig: &Rig) {
    let operator = rig.operator();
    wait_until(rig, "a supervisor", || operator.status().is_ok());
}
