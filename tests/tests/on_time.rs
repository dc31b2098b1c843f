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

/// It hangs when it has told, so that it is seen.
#[test]
fn the_control_thread_of_who_takes_over_comes_first_until_it_has_told() {
    let config = RigConfig {
        faults: true,
        ..RigConfig::guests(2)
    };
    let rig = Rig::start(&config).unwrap();
    let standby = standby(&rig);
    rig.set_faults("a began hang\nb began hang\n").unwrap();
    let active = rig.operator().serving_process().unwrap();
    kill(Pid::from_raw(active), Signal::SIGKILL).unwrap();
    wait_for(&rig, "it comes first", || {
        policy(standby).filter(|policy| policy == ROUND_ROBIN)
    });
    rig.set_faults("").unwrap();
}

/// The lane that takes over is seen to come first, and to take turns later, as all of its process.
fn takes_over(config: &RigConfig, strike: impl FnOnce(&Rig)) {
    let rig = Rig::start(config).unwrap();
    let standby = standby(&rig);
    let lane = thread(standby, "lane0").unwrap();
    strike(&rig);
    wait_for(&rig, "its lane comes first", || {
        policy(lane).filter(|policy| policy == ROUND_ROBIN)
    });
    assert_all_are_ordinary(&rig, standby);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}

fn standby(rig: &Rig) -> i32 {
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let active = rig.operator().serving_process();
    let instances = rig.operator().status().unwrap().instances;
    let mut pids = instances.iter().map(|one| one.pid);
    pids.find(|&pid| pid != active).flatten().unwrap()
}

fn assert_all_are_ordinary(rig: &Rig, process: i32) {
    wait_until(rig, "all take turns", || {
        let policies: Vec<_> = threads(process).into_iter().filter_map(policy).collect();
        policies.len() > 1 && policies.iter().all(|policy| policy == ORDINARY)
    });
}

/// The thread of `process` with this name.
fn thread(process: i32, name: &str) -> Option<i32> {
    threads(process).into_iter().find(|thread| {
        let its = fs::read_to_string(format!("/proc/{process}/task/{thread}/comm"));
        its.is_ok_and(|its| its.trim() == name)
    })
}

fn threads(process: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let names = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
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
