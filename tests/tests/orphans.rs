//! Instances without a supervisor at the edges: what the next one cannot do, what nobody is there to
//! read, what a standby missed, and who hangs while nobody looks.

mod support;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;
use support::record::{command, of_kind, pid_of, told, wait_until};
use support::{
    PATIENCE, assert_survives_deaths, assert_without_a_trace, measured, rig_with_faults, sending,
    steady, wait_until_all_go_on,
};
use vswsup_tests::emulator::{FlowReport, GuestSpec, Plan, Running};
use vswsup_tests::rig::Rig;

/// Instances that die in one run.
const DEATHS: u64 = 2;
/// Exit status of a supervisor that refuses to start.
const FAILED: Option<i32> = Some(1);
/// Fds that are too few for a pair with two guests.
const FEW: u64 = 20;
/// After so long changes are made without a supervisor.
const ALONE: Duration = Duration::from_millis(2500);
/// Several times `failover.lane_hang`.
const LONG: Duration = Duration::from_millis(300);

#[test]
fn another_number_of_lanes_is_refused_and_harms_nobody() {
    with_an_orphaned_pair(|rig| {
        let config = rig.supervisor().config().to_owned();
        let before = fs::read_to_string(&config).unwrap();
        let lanes = "lanes = [0]";
        assert!(before.contains(lanes), "{before}");
        fs::write(&config, before.replace(lanes, "lanes = [0, 1]")).unwrap();
        rig.supervisor_mut().start_again().unwrap();
        let said = refuses(rig);
        for what in ["vswitch.lanes", "1", "2"] {
            assert!(said.contains(what), "{what} is not in: {said}");
        }
        fs::write(&config, before).unwrap();
    });
}

#[test]
fn a_supervisor_with_too_few_fds_refuses_and_harms_nobody() {
    with_an_orphaned_pair(|rig| {
        let few = || setrlimit(Resource::RLIMIT_NOFILE, FEW, FEW).map_err(Into::into);
        // SAFETY: setrlimit(2) is async-signal-safe, and nothing else is done.
        let poor = rig.supervisor_mut().start_again_as(|command| unsafe {
            command.pre_exec(few);
        });
        poor.unwrap();
        let said = refuses(rig);
        println!("{said}");
    });
}

/// Kills the supervisor, has `try_in_vain` start one that refuses, and then a good one, which finds
/// the same pair.
fn with_an_orphaned_pair(mut try_in_vain: impl FnMut(&mut Rig)) {
    let report = measured(|| {
        let mut rig = rig_with_faults(3);
        let running = traffic(&rig);
        let before = pids(&rig);
        rig.supervisor_mut().kill().unwrap();
        try_in_vain(&mut rig);
        wait_until_all_go_on(&rig, &running);
        come_back(&mut rig);
        assert_eq!(pids(&rig), before, "{}", rig.supervisor().log());
        command(&rig, &["promote"]);
        running.stop().unwrap()
    });
    report.flows.iter().for_each(assert_without_a_trace);
}

/// What the supervisor says that was just started.
fn refuses(rig: &mut Rig) -> String {
    let status = rig.supervisor_mut().wait_for_end(PATIENCE).unwrap();
    let log = rig.supervisor().log();
    assert_eq!(status.code(), FAILED, "{log}");
    let last = log.lines().rfind(|line| line.starts_with("vswsup: "));
    last.unwrap_or_default().to_owned()
}

/// Supervisor and instances say what they say into one pipe, whose reader dies with the supervisor.
#[test]
fn nobody_dies_of_a_log_that_nobody_reads() {
    let report = measured(|| {
        let mut rig = rig_with_faults(3);
        rig.supervisor_mut().stop().unwrap();
        let (reader, writer) = pipe().unwrap();
        let piped = rig.supervisor_mut().start_again_as(|command| {
            command.stdout(writer.try_clone().unwrap()).stderr(writer);
        });
        piped.unwrap();
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        let running = traffic(&rig);
        let before = pids(&rig);

        drop(reader);
        rig.supervisor_mut().kill().unwrap();
        thread::sleep(LONG);
        come_back(&mut rig);
        assert_eq!(pids(&rig), before, "{}", rig.supervisor().log());
        // They go on to write where nobody reads.
        command(&rig, &["promote"]);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        rig.supervisor_mut().kill().unwrap();
        let [standby, active] = before;
        kill(active, Signal::SIGKILL).unwrap();
        wait_until_all_go_on(&rig, &running);
        come_back(&mut rig);
        assert_eq!(pids(&rig)[0], standby, "{}", rig.supervisor().log());
        running.stop().unwrap()
    });
    report.flows.iter().for_each(survives_death);
}

/// It could not be told to the standby. When that one takes over, it leaves the rings alone and closes
/// the connection.
#[test]
fn a_guest_that_came_up_unprotected_connects_again_after_a_death() {
    let report = measured(|| {
        let mut rig = rig_with_faults(3);
        let mut running = traffic(&rig);
        let [active, standby] = pids(&rig);
        rig.supervisor_mut().kill().unwrap();
        thread::sleep(ALONE);
        running.remove("vm3").unwrap();
        running.add_guest("vm3 again", &rig.guest(3)).unwrap();
        let link = running.link("vm3 again").unwrap();
        wait_until(&rig, "a link without a supervisor", || link.is_up());
        let flow = steady("unprotected", "vm3 again", "vm2");
        running.add_flow(flow).unwrap();
        running.start_flows(PATIENCE).unwrap();

        kill(active, Signal::SIGKILL).unwrap();
        wait_until(&rig, "a closed connection", || link.disconnects() == 1);
        wait_until(&rig, "the link again", || link.is_up());
        wait_until_all_go_on(&rig, &running);
        come_back(&mut rig);
        assert_eq!(pids(&rig)[0], standby);
        assert_eq!(told(&rig, &["status"])["devices"], 3);
        command(&rig, &["promote"]);
        wait_until_all_go_on(&rig, &running);
        assert_eq!(link.disconnects(), 1, "it is protected now");
        running.stop().unwrap()
    });
    survives_death(report.flow("there").unwrap());
    assert_eq!(report.flow("unprotected").unwrap().corrupted, 0);
}

/// The successor hangs while nobody is there to fence it, nor to take its place.
#[test]
fn a_hang_after_a_death_waits_for_the_next_supervisor() {
    let report = measured(|| {
        let mut rig = rig_with_faults(3);
        let running = traffic(&rig);
        let [active, standby] = pids(&rig);
        rig.supervisor_mut().kill().unwrap();
        kill(active, Signal::SIGSEGV).unwrap();
        wait_until_all_go_on(&rig, &running);
        hang(&rig, &running);
        fence(&mut rig);
        assert_ne!(pids(&rig)[0], standby, "it was fenced");
        wait_until_all_go_on(&rig, &running);
        running.stop().unwrap()
    });
    report.flows.iter().for_each(survives_death);
}

/// There is a standby, which cannot know: the locks are held.
#[test]
fn a_hang_without_supervisor_is_not_taken_over_before_there_is_one() {
    let report = measured(|| {
        let mut rig = rig_with_faults(3);
        let running = traffic(&rig);
        let [active, standby] = pids(&rig);
        rig.supervisor_mut().kill().unwrap();
        hang(&rig, &running);
        for pid in [active, standby] {
            kill(pid, None).expect("it lives");
        }
        fence(&mut rig);
        assert_eq!(pids(&rig)[0], standby, "{}", rig.supervisor().log());
        wait_until_all_go_on(&rig, &running);
        running.stop().unwrap()
    });
    report.flows.iter().for_each(survives_death);
}

/// The lanes that run stand still, and nothing moves for as long as nobody fences them.
fn hang(rig: &Rig, running: &Running) {
    rig.set_faults("* lane loop\n").unwrap();
    wait_until(rig, "the fault", || rig.faults().unwrap().is_empty());
    thread::sleep(LONG);
    let received = || running.flows()[0].counters.received.get();
    let before = received();
    thread::sleep(LONG);
    assert_eq!(received(), before, "somebody serves the rings");
}

/// The next supervisor finds who hangs, and has the other one take over.
fn fence(rig: &mut Rig) {
    rig.supervisor_mut().start_again().unwrap();
    let operator = rig.operator();
    wait_until(rig, "a supervisor", || operator.status().is_ok());
    let hung = || of_kind(&told(rig, &["events"]), "hung");
    wait_until(rig, "the hang", || !hung().is_empty());
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let hung = hung();
    assert_eq!(hung.len(), 1, "{hung:?}");
    let text = hung[0]["text"].as_str().unwrap();
    assert!(text.contains("lane 0"), "{text}");
}

/// Between two guests, and one that only is there.
fn traffic(rig: &Rig) -> Running {
    let deep = |number| GuestSpec {
        rx_ring: 16_384,
        tx_ring: 16_384,
        ..rig.guest(number)
    };
    let plan = Plan::new()
        .guest("vm1", deep(1))
        .guest("vm2", deep(2))
        .guest("vm3", rig.guest(3))
        .flow(steady("there", "vm1", "vm2"));
    sending(plan)
}

fn survives_death(flow: &FlowReport) {
    println!("{flow}");
    assert_survives_deaths(flow, DEATHS);
    assert_eq!(flow.lost, 0, "{flow}");
}

fn come_back(rig: &mut Rig) {
    rig.supervisor_mut().start_again().unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}

/// The active instance's process and the standby's.
fn pids(rig: &Rig) -> [Pid; 2] {
    let status: Value = told(rig, &["status"]);
    ["active", "standby"].map(|state| pid_of(&status, state))
}
