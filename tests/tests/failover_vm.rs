//! A real guest keeps its network when the switch dies: QEMU boots Linux behind the switch, guest and host
//! ping each other every 2 ms, and the active instance is killed twenty times.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

use nix::sys::signal::{Signal, kill};
use std::thread;
use std::time::{Duration, Instant};
use vswsup_tests::demo_vm::{QemuSide, Scene, Seen};
use vswsup_tests::failover::Pair;
use vswsup_tests::terminal::Interrupt;

const KILLS: u64 = 20;
const PAUSE: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two pings.
const EVERY_MS: f64 = 2.0;
/// A machine that kept a thread from running for longer has cost pings by itself.
const STALL_MS: f64 = 5.0;
/// So often a machine gets the chance not to stand still.
const RUNS: usize = 3;

#[test]
fn a_guest_loses_at_most_one_ping_for_each_kill_and_nothing_else() {
    let never = Interrupt::default();
    let scene = Scene::start(QemuSide::Client, &never).unwrap_or_else(|error| panic!("{error}"));
    let mut seen = killed(&scene);
    for _ in 1..RUNS {
        if worst(&seen) <= KILLS || !stood_still(&seen) {
            break;
        }
        seen = killed(&scene);
    }
    let log = scene.rig().supervisor().log();
    assert!(worst(&seen) <= limit(&seen), "{seen:#?}\n{log}");
}

fn worst(seen: &Seen) -> u64 {
    seen.guest_to_host.lost.max(seen.host_to_guest.lost)
}

/// A machine that stands still is no less still while it fails over.
fn stood_still(seen: &Seen) -> bool {
    seen.machine_stall_ms > STALL_MS
}

/// One ping for each kill, and where the machine stood still those of that time as well.
fn limit(seen: &Seen) -> u64 {
    if !stood_still(seen) {
        return KILLS;
    }
    println!(
        "the machine stood still for {} ms: judged less strictly",
        seen.machine_stall_ms
    );
    KILLS * (1 + (seen.machine_stall_ms / EVERY_MS) as u64)
}

fn killed(scene: &Scene) -> Seen {
    let watch = scene.watch().unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..KILLS {
        thread::sleep(PAUSE);
        kill(pair(scene).active, Signal::SIGKILL).unwrap();
    }
    thread::sleep(PAUSE);
    pair(scene);
    let seen = watch.finish().unwrap_or_else(|error| panic!("{error}"));
    println!("{seen:#?}");
    assert_eq!((seen.carrier_changes, seen.disconnects), (0, 0));
    for pings in [seen.guest_to_host, seen.host_to_guest] {
        assert!(pings.sent > 10 * KILLS, "{pings:?}");
        // What had left a guest that did not get its buffer back is sent again.
        assert!(pings.doubled <= KILLS, "{pings:?}");
    }
    seen
}

/// An active instance and a spare. One that was just killed is not either.
fn pair(scene: &Scene) -> Pair {
    let operator = scene.rig().operator();
    let until = Instant::now() + PATIENCE;
    loop {
        let pair = operator.status().ok().and_then(|status| Pair::of(&status));
        if let Some(pair) = pair {
            return pair;
        }
        assert!(
            Instant::now() < until,
            "no spare:\n{}",
            scene.rig().supervisor().log()
        );
        thread::sleep(Duration::from_millis(5));
    }
}
