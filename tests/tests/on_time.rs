//! A failover does not wait for the machine: those who take part get their CPU when they wake, and those
//! who take over come before ordinary threads until they have.

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
/// Scheduling policies of Linux, `include/uapi/linux/sched.h`.
const ORDINARY: &str = "0";
const ROUND_ROBIN: &str = "2";

#[test]
fn lanes_and_control_threads_have_short_slices() {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let active = rig.operator().serving_process();
    if slice(active.unwrap()).is_none() {
        return eprintln!("skipped: this kernel does not tell of slices (Linux 6.12 has them)");
    }
    for instance in rig.operator().status().unwrap().instances {
        let of_lane = match instance.pid == active {
            true => OF_A_BUSY_LANE,
            false => SHORTEST,
        };
        let control = instance.pid.unwrap();
        let lane = thread(control, "lane0").unwrap();
        assert_eq!(slice(control).as_deref(), Some(SHORTEST));
        wait_for(&rig, "the lane's slice", || {
            slice(lane).filter(|slice| slice == of_lane)
        });
    }
}

#[test]
fn only_the_supervisor_comes_first_in_peace() {
    let rig = Rig::start(&RigConfig::guests(2)).unwrap();
    let supervisor = rig.supervisor().pid().as_raw();
    assert_eq!(policy(supervisor).as_deref(), Some(ROUND_ROBIN));
    for instance in rig.operator().status().unwrap().instances {
        assert_all_are_ordinary(&rig, instance.pid.unwrap());
    }
}

#[test]
fn who_takes_over_from_a_killed_one_comes_first() {
    takes_over(&RigConfig::guests(2), |rig| {
        let active = rig.operator().serving_process().unwrap();
        kill(Pid::from_raw(active), Signal::SIGKILL).unwrap();
    });
}

#[test]
fn who_takes_over_from_a_crashed_one_comes_first() {
    let config = RigConfig {
        faults: true,
        ..RigConfig::guests(2)
    };
    takes_over(&config, |rig| rig.set_faults("* lane segv\n").unwrap());
}

/// The lane that takes over is seen to come first, and to take turns later, as all of its process.
fn takes_over(config: &RigConfig, strike: impl FnOnce(&Rig)) {
    let rig = Rig::start(config).unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let active = rig.operator().serving_process();
    let instances = rig.operator().status().unwrap().instances;
    let mut pids = instances.iter().map(|one| one.pid);
    let standby = pids.find(|&pid| pid != active).flatten().unwrap();
    let lane = thread(standby, "lane0").unwrap();
    strike(&rig);
    wait_for(&rig, "its lane comes first", || {
        policy(lane).filter(|policy| policy == ROUND_ROBIN)
    });
    assert_all_are_ordinary(&rig, standby);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}

fn assert_all_are_ordinary(rig: &Rig, process: i32) {
    for thread in [process, thread(process, "lane0").unwrap()] {
        wait_until(rig, "it takes turns", || {
            policy(thread).as_deref() == Some(ORDINARY)
        });
    }
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

/// The scheduling policy of a thread, proc_pid_stat(5); `None` when it is gone.
fn policy(thread: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(38).map(str::to_owned)
}
