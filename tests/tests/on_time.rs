//! A failover does not wait for the machine: those who take part get their CPU when they wake, and what
//! dies comes after them.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use support::PATIENCE;
use support::record::{wait_for, wait_until};
use vswsup_tests::rig::{Rig, RigConfig};

/// Of who wakes and is waited for, ns.
const SHORTEST: &str = "100000";
const OF_A_BUSY_LANE: &str = "300000";
/// Of what dies.
const NICE: &str = "10";

#[test]
fn lanes_control_threads_and_the_supervisor_have_short_slices() {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let supervisor = slice(rig.supervisor().pid().as_raw());
    if supervisor.is_none() {
        return eprintln!("skipped: this kernel does not tell of slices (Linux 6.12 has them)");
    }
    assert_eq!(supervisor.as_deref(), Some(SHORTEST));
    let active = rig.operator().serving_process();
    for instance in rig.operator().status().unwrap().instances {
        let of_lane = match instance.pid == active {
            true => OF_A_BUSY_LANE,
            false => SHORTEST,
        };
        let slice = |name| slice(thread(instance.pid.unwrap(), name).unwrap());
        assert_eq!(slice("vswitch").as_deref(), Some(SHORTEST));
        wait_for(&rig, "the lane's slice", || {
            slice("lane0").filter(|slice| slice == of_lane)
        });
    }
}

#[test]
fn who_is_killed_waits() {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let active = rig.operator().serving_process().unwrap();
    kill(Pid::from_raw(active), Signal::SIGKILL).unwrap();
    assert_dies_nicely(active, &rig);
}

#[test]
fn who_crashes_waits() {
    let rig = Rig::start(&RigConfig {
        faults: true,
        ..RigConfig::guests(2)
    })
    .unwrap();
    let active = rig.operator().serving_process().unwrap();
    rig.set_faults("* lane segv\n").unwrap();
    assert_dies_nicely(active, &rig);
}

/// The thread of `process` with this name.
fn thread(process: i32, name: &str) -> Option<i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let paths = tasks.filter_map(|task| Some(task.ok()?.path()));
    let mut named = paths.filter(|path| {
        let its = fs::read_to_string(path.join("comm"));
        its.is_ok_and(|its| its.trim() == name)
    });
    named.next()?.file_name()?.to_str()?.parse().ok()
}

/// `None`: the kernel does not tell.
fn slice(thread: i32) -> Option<String> {
    let sched = fs::read_to_string(format!("/proc/{thread}/sched")).ok()?;
    let line = sched.lines().find(|line| line.starts_with("se.slice "))?;
    let (_, slice) = line.split_once(':')?;
    Some(slice.trim().to_owned())
}

/// It is nice before it is reaped, and is reaped then.
fn assert_dies_nicely(process: i32, rig: &Rig) {
    wait_for(rig, "it is nice", || {
        nice(process).filter(|nice| nice == NICE)
    });
    wait_until(rig, "it is reaped", || nice(process).is_none());
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}

/// Of its first thread, proc_pid_stat(5); `None` when it is reaped.
fn nice(process: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(16).map(str::to_owned)
}
