//! What a supervisor tells of itself, and waiting for it.

use super::PATIENCE;
use nix::unistd::Pid;
use serde_json::Value;
use std::time::{Duration, Instant};
use vswsup_tests::rig::{CommandOutcome, Rig};

/// Exit status of a command that was refused, or failed with traffic unaffected.
const UNAFFECTED: Option<i32> = Some(1);

/// What `vswsup COMMAND --json` tells.
pub(crate) fn told(rig: &Rig, command: &[&str]) -> Value {
    let arguments: Vec<_> = command.iter().copied().chain(["--json"]).collect();
    rig.supervisor()
        .command(&arguments)
        .unwrap()
        .json()
        .unwrap()
}

/// The entries of a list that is told, whose `kind` is this.
pub(crate) fn of_kind(list: &Value, kind: &str) -> Vec<Value> {
    let entries = list.as_array().expect("a list").iter();
    entries
        .filter(|entry| entry["kind"] == kind)
        .cloned()
        .collect()
}

/// The events of a kind so far.
pub(crate) fn events_of(rig: &Rig, kind: &str) -> Vec<Value> {
    of_kind(&told(rig, &["events"]), kind)
}

/// The entry of a list that is told in which `key` is `value`.
pub(crate) fn entry(list: &Value, key: &str, value: &str) -> Option<Value> {
    let mut entries = list.as_array().expect("a list").iter();
    entries.find(|entry| entry[key] == value).cloned()
}

/// The first failover of the history, once it has ended.
pub(crate) fn ended_failover(rig: &Rig) -> Option<Value> {
    let failover = entry(&told(rig, &["history"]), "kind", "failover")?["failover"].clone();
    Some(failover).filter(|report| report["ended"] == true)
}

/// The process that is `active`, `standby` and so on.
pub(crate) fn pid_of(status: &Value, state: &str) -> Pid {
    let found = entry(&status["instances"], "state", state);
    let pid = found.unwrap_or_else(|| panic!("nobody is {state}: {status}"))["pid"].as_i64();
    Pid::from_raw(pid.expect("it has a process") as i32)
}

/// Runs a command that has to succeed.
pub(crate) fn command(rig: &Rig, arguments: &[&str]) -> CommandOutcome {
    let outcome = rig.supervisor().command(arguments).unwrap();
    let log = || rig.supervisor().log();
    assert!(
        outcome.status.success(),
        "{arguments:?}: {outcome:?}\n{}",
        log()
    );
    outcome
}

/// Runs a command that has to be refused, or to fail with traffic unaffected, and to say `why`.
pub(crate) fn refused(rig: &Rig, arguments: &[&str], why: &str) -> CommandOutcome {
    let outcome = rig.supervisor().command(arguments).unwrap();
    let log = || rig.supervisor().log();
    assert_eq!(
        outcome.status.code(),
        UNAFFECTED,
        "{arguments:?}: {outcome:?}\n{}",
        log()
    );
    assert!(outcome.stderr.contains(why), "{arguments:?}: {outcome:?}");
    outcome
}

/// Waits until there is what is looked for; fails with the supervisor's log.
pub(crate) fn wait_for<T>(rig: &Rig, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        let log = || rig.supervisor().log();
        assert!(Instant::now() < until, "in vain: {what}\n{}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until it is so; fails with the supervisor's log.
pub(crate) fn wait_until(rig: &Rig, what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(rig, what, || is_so().then_some(()));
}

/// Waits until a process serves that is not `before`.
pub(crate) fn wait_for_successor(rig: &Rig, before: i32) {
    let operator = rig.operator();
    wait_until(rig, "another process serves", || {
        operator.serving_process().is_some_and(|now| now != before)
    });
}
