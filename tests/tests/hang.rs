//! A hung instance is replaced and its guests keep their connections; a starved one is left alone.

mod support;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use support::record::{ended_failover, events_of, pid_of, wait_for};
use support::{PATIENCE, both_ways, rig_with_faults, wait_until_all_go_on};
use vswitch::switch::BURST;
use vswsup_tests::rig::Rig;

/// What a lane that dies may have taken and not delivered, or delivered and not said; two may die.
const BURSTS: u64 = 2 * BURST as u64;
/// `failover.lane_hang` as it is by default.
const LANE_HANG: Duration = Duration::from_millis(20);
/// Processes that want each CPU, and for how long.
const LOADS: usize = 4;
const OVERLOADED: Duration = Duration::from_secs(5);

#[test]
fn a_stopped_instance_is_replaced() {
    let hang = hang_under_traffic(|_, active| kill(active, Signal::SIGSTOP).unwrap());
    assert!(hang.contains("stopped"), "{hang}");
}

#[test]
fn a_lane_in_an_endless_loop_is_replaced() {
    let hang = hang_under_traffic(|rig, _| rig.set_faults("* lane loop\n").unwrap());
    assert!(
        hang.contains("lane 0") && hang.contains("endless loop"),
        "{hang}"
    );
}

#[test]
fn a_lane_that_is_blocked_in_the_kernel_is_replaced() {
    let hang = hang_under_traffic(|rig, _| rig.set_faults("* lane block\n").unwrap());
    assert!(
        hang.contains("lane 0") && hang.contains("blocked"),
        "{hang}"
    );
}

#[test]
fn a_control_thread_that_is_blocked_is_replaced() {
    let hang = hang_under_traffic(|rig, _| rig.set_faults("* control block\n").unwrap());
    assert!(
        hang.contains("control thread") && hang.contains("blocked"),
        "{hang}"
    );
}

#[test]
fn a_control_thread_in_an_endless_loop_is_replaced() {
    let hang = hang_under_traffic(|rig, _| rig.set_faults("* control loop\n").unwrap());
    assert!(
        hang.contains("control thread") && hang.contains("endless loop"),
        "{hang}"
    );
}

/// Every CPU is wanted by several others, also that of the lanes: for longer than the limit nobody
/// beats, and nobody hangs.
#[test]
fn a_busy_host_is_no_hang() {
    let rig = rig_with_faults(2);
    let running = both_ways(&rig);
    let before = rig.supervisor().status().unwrap();
    let active = pid_of(&before, "active");
    let waited = waited_for_cpu(active);
    let load = Load::start();
    thread::sleep(OVERLOADED);
    drop(load);
    let waited = waited_for_cpu(active) - waited;
    let after = rig.supervisor().status().unwrap();
    for what in ["term", "active"] {
        assert_eq!(before[what], after[what], "{}", rig.supervisor().log());
    }
    assert_eq!(active, pid_of(&after, "active"));
    assert_eq!(pid_of(&before, "standby"), pid_of(&after, "standby"));
    assert!(
        events_of(&rig, "hung").is_empty(),
        "{}",
        rig.supervisor().log()
    );
    println!("its threads waited {waited:?} for a CPU");
    assert!(
        waited > 10 * LANE_HANG,
        "the host was not busy: only {waited:?}"
    );
    for flow in running.stop().unwrap().flows {
        println!("{flow}");
        assert_eq!((flow.disconnects, flow.corrupted), (0, 0), "{flow}");
    }
}

/// Has the active instance hang, sees the standby take over, and gives what the record says of it.
fn hang_under_traffic(hang: impl Fn(&Rig, Pid)) -> String {
    let rig = rig_with_faults(2);
    let running = both_ways(&rig);
    thread::sleep(Duration::from_millis(200));
    let status = rig.supervisor().status().unwrap();
    let (active, standby) = (pid_of(&status, "active"), pid_of(&status, "standby"));
    hang(&rig, active);
    let failover = wait_for(&rig, "failover", || ended_failover(&rig));
    let status = rig.supervisor().status().unwrap();
    assert_eq!(pid_of(&status, "active"), standby);
    wait_until_all_go_on(&rig, &running);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let status = rig.supervisor().status().unwrap();
    assert_eq!(
        pid_of(&status, "active"),
        standby,
        "one failover and no more"
    );
    assert_eq!(
        events_of(&rig, "hung").len(),
        1,
        "{}",
        rig.supervisor().log()
    );
    for flow in running.stop().unwrap().flows {
        println!("{flow}");
        assert_eq!((flow.disconnects, flow.corrupted), (0, 0), "{flow}");
        assert!(flow.doubled <= BURSTS, "{flow}");
    }
    println!("{failover}");
    assert_eq!(
        (&failover["signal"], &failover["devices"]),
        (&9.into(), &2.into())
    );
    let detection = failover["detection_us"].as_u64().unwrap();
    assert!(
        u128::from(detection) >= LANE_HANG.as_micros(),
        "{detection} µs"
    );
    failover["hang"].as_str().unwrap().to_owned()
}

/// How long the thread that waited longest was ready to run and had no CPU: the second number of
/// `schedstat`, proc(5).
fn waited_for_cpu(process: Pid) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .flatten();
    let waited = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    });
    Duration::from_nanos(waited.max().unwrap())
}

/// Processes that only use up CPU, several on each; they end when dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let cpus = thread::available_parallelism().unwrap().get();
        let on_all = (0..cpus).flat_map(|cpu| [cpu; LOADS]);
        Self(on_all.map(burn).collect())
    }
}

fn burn(cpu: usize) -> Child {
    let child = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut only = CpuSet::new();
    only.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(child.id() as i32), &only).unwrap();
    child
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
