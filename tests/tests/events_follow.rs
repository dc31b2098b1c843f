//! `vswsup events --follow` tells everything that happens, once and in order, until the supervisor
//! ends.

mod support;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use support::PATIENCE;
use support::record::{command, of_kind, pid_of, told, wait_for, wait_until};
use vswsup_tests::emulator::{Instrument, Plan};
use vswsup_tests::rig::{Rig, RigConfig};

/// Exit status of a command that finds no supervisor.
const NOT_RUNNING: Option<i32> = Some(3);
const POISON: &str = "vm1";

#[test]
fn a_follower_sees_all_there_is_and_ends_with_the_supervisor() {
    let mut rig = start();
    let guest = Plan::new().guest(POISON, rig.idle_guest(1));
    let running = Instrument::start(guest).unwrap();
    running.wait_for_links(PATIENCE).unwrap();
    let mut as_json = Follower::start(&rig, &["events", "--follow", "--json"]);
    let mut as_text = Follower::start(&rig, &["events", "--follow"]);

    let active = pid_of(&told(&rig, &["status"]), "active");
    kill(active, Signal::SIGKILL).unwrap();
    wait_until(&rig, "a takeover", || {
        !of_kind(&told(&rig, &["history"]), "failover").is_empty()
    });
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    command(&rig, &["promote"]);
    command(&rig, &["pin"]);
    command(&rig, &["unpin"]);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    rig.set_faults(&format!("* poison {POISON}\n")).unwrap();
    wait_until(&rig, "the quarantine", || {
        !of_kind(&told(&rig, &["events"]), "quarantined").is_empty()
    });
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();

    // The spare was the last that happened.
    let all = wait_for(&rig, "a follower that has seen all", || {
        let all = told(&rig, &["events"]);
        (as_json.events().last() == all.as_array()?.last()).then_some(all)
    });
    for kind in [
        "active",
        "ended",
        "spare",
        "pinned",
        "unpinned",
        "blamed",
        "quarantined",
    ] {
        assert!(!of_kind(&all, kind).is_empty(), "no {kind}: {all}");
    }
    assert_eq!(Value::Array(as_json.events()), all);
    let numbers: Vec<_> = as_json.events().iter().map(number).collect();
    let one_by_one = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    assert!(one_by_one, "{numbers:?}");
    wait_until(&rig, "as many lines of text", || {
        as_text.lines().len() == numbers.len()
    });
    for (line, event) in as_text.lines().iter().zip(as_json.events()) {
        assert!(line.contains(event["text"].as_str().unwrap()), "{line}");
    }

    rig.supervisor_mut().stop().unwrap();
    for follower in [&mut as_json, &mut as_text] {
        follower.ends(&rig);
    }
}

#[test]
fn a_follower_does_not_outlive_a_supervisor_that_is_killed() {
    let mut rig = start();
    let mut follower = Follower::start(&rig, &["events", "--follow"]);
    wait_until(&rig, "the first line", || !follower.lines().is_empty());
    rig.supervisor_mut().kill().unwrap();
    follower.ends(&rig);
}

fn start() -> Rig {
    Rig::start(&RigConfig {
        uplink: false,
        faults: true,
        ..RigConfig::guests(1)
    })
    .unwrap()
}

fn number(event: &Value) -> u64 {
    event["number"].as_u64().expect("a number")
}

/// A command that goes on, and the lines that it has written so far.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Follower {
    fn start(rig: &Rig, arguments: &[&str]) -> Self {
        let mut child = rig.supervisor().start_command(arguments).unwrap();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let read = Arc::clone(&lines);
        thread::spawn(move || {
            let whole = output.lines().map_while(Result::ok);
            whole.for_each(|line| read.lock().unwrap().push(line));
        });
        Self { child, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Each line is one.
    fn events(&self) -> Vec<Value> {
        let lines = self.lines();
        let parsed = lines.iter().map(|line| serde_json::from_str(line));
        parsed.collect::<Result<_, _>>().unwrap()
    }

    fn ends(&mut self, rig: &Rig) {
        let status = wait_for(rig, "the follower's end", || self.child.try_wait().unwrap());
        let mut message = String::new();
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut message).unwrap();
        assert_eq!(status.code(), NOT_RUNNING, "{message}");
        assert!(message.contains("no supervisor"), "{message}");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}
