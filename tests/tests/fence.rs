//! An instance that SIGKILL does not end: nobody takes over before it is gone, and then at once.

mod support;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};
use support::frozen::FileSystem;
use support::record::{ended_failover, events_of, pid_of, wait_for, wait_until};
use support::{PATIENCE, both_ways, rig_with_faults, wait_until_all_go_on};
use vswitch::switch::BURST;
use vswsup_tests::emulator::Running;
use vswsup_tests::rig::Rig;

/// What a lane that dies may have taken and not delivered, or delivered and not said; two may die.
const BURSTS: u64 = 2 * BURST as u64;
/// For so long nothing may change while the old instance is still there: several times as long as the
/// supervisor takes to try the kill again.
const STANDSTILL: Duration = Duration::from_secs(6);

#[test]
fn nobody_takes_over_from_an_instance_that_cannot_be_killed() {
    let file_system = FileSystem::mount();
    let rig = rig_with_faults(2);
    symlink(file_system.at(), rig.frozen()).unwrap();
    let running = both_ways(&rig);
    let before = rig.supervisor().status().unwrap();
    let (active, standby) = (pid_of(&before, "active"), pid_of(&before, "standby"));
    let frozen = file_system.freeze();
    rig.set_faults("* lane freeze\n").unwrap();

    wait_until(&rig, "loud word", || {
        !events_of(&rig, "unfenced").is_empty()
    });
    let hang = events_of(&rig, "hung");
    let how = hang[0]["text"].as_str().unwrap();
    assert!(how.contains("lane 0") && how.contains("blocked"), "{how}");
    assert_eq!(killed_and_blocked(active), 1, "the lane alone is left");
    assert_nothing_moves(&rig, &running, standby);
    assert_eq!(killed_and_blocked(active), 1, "the lane alone is left");
    assert_said_loudly(&rig, active);

    drop(frozen);
    let failover = wait_for(&rig, "failover", || ended_failover(&rig));
    println!("{failover}");
    assert_eq!(failover["signal"], Signal::SIGKILL as i32);
    wait_until_all_go_on(&rig, &running);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let after = rig.supervisor().status().unwrap();
    assert_eq!(pid_of(&after, "active"), standby);
    assert_eq!(after["term"], before["term"].as_u64().unwrap() + 1);
    assert_eq!(killed_and_blocked(active), 0, "it is gone");
    assert_eq!(events_of(&rig, "unfenced").len(), 1);
    for flow in running.stop().unwrap().flows {
        println!("{flow}");
        assert_eq!((flow.disconnects, flow.corrupted), (0, 0), "{flow}");
        assert!(flow.doubled <= BURSTS, "{flow}");
    }
}

/// The standby is kept and does not run, and no packet goes anywhere.
fn assert_nothing_moves(rig: &Rig, running: &Running, standby: Pid) {
    let seen = || {
        let flows = running.flows().iter();
        let received: Vec<_> = flows.map(|flow| flow.counters.received.get()).collect();
        (rig.supervisor().status().unwrap()["term"].clone(), received)
    };
    let before = seen();
    let until = Instant::now() + STANDSTILL;
    while Instant::now() < until {
        assert_eq!(seen(), before, "{}", rig.supervisor().log());
        let status = rig.supervisor().status().unwrap();
        assert_eq!(pid_of(&status, "standby"), standby, "it is kept");
        assert!(ended_failover(rig).is_none());
        thread::sleep(Duration::from_millis(100));
    }
}

/// In `status`, in the events and in the log: once, and with what to do.
fn assert_said_loudly(rig: &Rig, active: Pid) {
    let says = |text: &str| {
        text.contains("NOBODY TAKES OVER") && text.contains(&format!("/proc/{active}/stack"))
    };
    let status = rig.supervisor().command(&["status"]).unwrap().stdout;
    assert!(says(&status), "{status}");
    let events = events_of(rig, "unfenced");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(says(events[0]["text"].as_str().unwrap()), "{events:?}");
    let log = rig.supervisor().log();
    assert_eq!(log.lines().filter(|line| says(line)).count(), 1, "{log}");
}

/// Threads of `process` in `D` state, for which SIGKILL waits (proc(5)).
fn killed_and_blocked(process: Pid) -> usize {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return 0;
    };
    let is_blocked = |status: &str| {
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        let pending = |name| {
            let mask = u64::from_str_radix(&field(name).unwrap(), 16).unwrap();
            mask & 1 << (Signal::SIGKILL as u64 - 1) != 0
        };
        field("State:").unwrap().starts_with('D') && (pending("SigPnd:") || pending("ShdPnd:"))
    };
    let statuses = threads.flatten().filter_map(|thread| {
        // It may be gone by now.
        fs::read_to_string(thread.path().join("status")).ok()
    });
    statuses.filter(|status| is_blocked(status)).count()
}
