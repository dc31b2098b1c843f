//! A supervisor dies at any time: traffic goes on, and the next one takes the running pair over.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::thread;
use std::time::Duration;
use support::record::{command, wait_until};
use support::{
    PATIENCE, assert_nothing_but_loss, assert_without_a_trace, in_hand, measured, steady,
    three_flows, wait_until_all_receive,
};
use vswsup_tests::emulator::{FlowReport, Instrument, Plan, Report};
use vswsup_tests::rig::{Rig, RigConfig, Supervisor};

/// What lanes that die may have taken and not delivered, or delivered and not said; two may die.
const DEATHS_OF_LANES: u64 = 2;
/// Exit status of a command that finds no supervisor.
const NOT_RUNNING: Option<i32> = Some(3);
const DEATHS: usize = 5;

#[test]
fn nobody_notices_that_a_supervisor_dies() {
    let report = measured(|| {
        let mut rig = Rig::start(&RigConfig::guests(2)).unwrap();
        let running = three_flows(&rig, steady);
        for _ in 0..DEATHS {
            let before = pids(rig.supervisor());
            rig.supervisor_mut().kill().unwrap();
            thread::sleep(Duration::from_millis(100));
            let status = rig.supervisor().command(&["status"]).unwrap();
            assert_eq!(status.status.code(), NOT_RUNNING, "{status:?}");
            come_back(&mut rig);
            assert_eq!(pids(rig.supervisor()), before, "{}", rig.supervisor().log());
            promote(&rig);
        }
        running.stop().unwrap()
    });
    report.flows.iter().for_each(assert_without_a_trace);
}

#[test]
fn rings_fail_over_while_there_is_no_supervisor() {
    let report = measured(|| {
        let mut rig = Rig::start(&RigConfig::guests(2)).unwrap();
        let running = three_flows(&rig, steady);
        let [active, standby] = pids(rig.supervisor());
        rig.supervisor_mut().kill().unwrap();
        kill(Pid::from_raw(active), Signal::SIGKILL).unwrap();
        let received = || running.flows()[0].counters.received.get();
        let before = received();
        wait_until(&rig, "VM to VM goes on", || received() > before + 1000);

        come_back(&mut rig);
        assert_eq!(pids(rig.supervisor())[0], standby);
        promote(&rig);
        running.stop().unwrap()
    });
    let limit = in_hand(DEATHS_OF_LANES);
    for flow in &report.flows {
        assert_eq!((flow.disconnects, flow.corrupted), (0, 0), "{flow}");
        assert!(flow.received > 0 && flow.doubled <= limit, "{flow}");
    }
    assert!(between_guests(&report).lost <= limit, "{report:?}");
}

#[test]
fn a_guest_that_comes_up_meanwhile_waits_for_the_next_supervisor_or_goes_on_alone() {
    for pause in [Duration::from_millis(500), Duration::from_secs(4)] {
        let mut rig = Rig::start(&RigConfig::guests(2)).unwrap();
        rig.supervisor_mut().kill().unwrap();
        let plan = Plan::new()
            .guest("vm1", rig.guest(1))
            .guest("vm2", rig.guest(2))
            .flow(steady("VM to VM", "vm1", "vm2"));
        let running = Instrument::start(plan).unwrap();
        let is_alone = pause > Duration::from_secs(3);
        if is_alone {
            running.wait_for_links(PATIENCE).unwrap();
            running.start_flows(PATIENCE).unwrap();
        }
        thread::sleep(pause);
        come_back(&mut rig);
        if !is_alone {
            running.wait_for_links(PATIENCE).unwrap();
            running.start_flows(PATIENCE).unwrap();
        }
        assert_eq!(rig.supervisor().status().unwrap()["devices"], 2);
        promote(&rig);
        thread::sleep(Duration::from_millis(300));
        let report = running.stop().unwrap();
        assert_without_a_trace(&report.flows[0]);
    }
}

#[test]
fn ports_of_the_run_time_are_known_to_the_next_supervisor() {
    let mut rig = Rig::start(&RigConfig::guests(1)).unwrap();
    let socket = rig.dir().join("late.sock");
    let path = socket.to_str().unwrap();
    command(&rig, &["port", "add", "late", "--socket", path]);
    rig.supervisor_mut().kill().unwrap();
    come_back(&mut rig);
    let list = command(&rig, &["port", "list"]);
    assert!(list.stdout.contains("late"), "{list:?}");
    command(&rig, &["port", "del", "late"]);
    assert!(!socket.exists(), "its socket is gone");
}

/// Steering may be left on the standby, and what the NIC delivers to it is lost until the next
/// supervisor comes. Between guests nothing is.
#[test]
fn a_supervisor_that_dies_in_a_promote_leaves_one_owner() {
    let report = measured(|| {
        let mut rig = Rig::start(&RigConfig::guests(2)).unwrap();
        let running = three_flows(&rig, steady);
        for round in 0..10 {
            let operator = rig.operator();
            let promote = thread::spawn(move || drop(operator.promote(false)));
            thread::sleep(Duration::from_micros(100 * round));
            rig.supervisor_mut().kill().unwrap();
            promote.join().unwrap();
            come_back(&mut rig);
        }
        wait_until_all_receive(&rig, &running);
        running.stop().unwrap()
    });
    assert_eq!(report.flows.len(), 3);
    report.flows.iter().for_each(assert_nothing_but_loss);
    assert_without_a_trace(between_guests(&report));
}

fn between_guests(report: &Report) -> &FlowReport {
    &report.flows[0]
}

/// The active instance's process and the standby's.
fn pids(supervisor: &Supervisor) -> [i32; 2] {
    let status = supervisor.status().unwrap();
    let pid = |state: &str| {
        let instances = status["instances"].as_array().unwrap();
        let found = instances.iter().find(|one| one["state"] == state);
        found.unwrap_or_else(|| panic!("no {state} in {status}"))["pid"]
            .as_i64()
            .unwrap() as i32
    };
    [pid("active"), pid("standby")]
}

fn come_back(rig: &mut Rig) {
    rig.supervisor_mut().start_again().unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}

fn promote(rig: &Rig) {
    command(rig, &["promote"]);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}
