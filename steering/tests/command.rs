//! The operator's program: its verbs, its failures, and its time limit.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::parse;
use steering::{CommandError, Side, Steering, SteeringConfig, SteeringError};
use tempfile::TempDir;

/// Answers `current` from a file, writes it with `steer`, removes it with `undo`.
const HONEST: &str = r#"
case "$1 $2" in
    "current ") cat "$STATE" 2>/dev/null || echo none ;;
    "steer a" | "steer b") echo "$2" > "$STATE" ;;
    "undo ") rm -f "$STATE" ;;
    *) echo "what is '$*'?" >&2; exit 1 ;;
esac"#;

/// A program of the operator in a directory of its own.
struct Operator {
    directory: TempDir,
}

impl Operator {
    fn new(body: &str) -> Self {
        let operator = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let state = operator.path("state");
        let text = format!("#!/bin/bash\nSTATE={}\n{body}\n", state.display());
        fs::write(operator.path("program"), text).expect("written");
        operator.allow(0o755);
        operator
    }

    fn allow(&self, mode: u32) {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path("program"), mode).expect("mode");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self, more: &str) -> SteeringConfig {
        let program = self.path("program");
        parse(&format!(
            "backend = \"command\"\nprogram = \"{}\"\n{more}",
            program.display()
        ))
    }

    fn open(&self, more: &str) -> Result<Box<dyn Steering>, SteeringError> {
        self.config(more).open()
    }

    fn refusal(&self, more: &str) -> String {
        self.open(more).expect_err("must fail").to_string()
    }
}

#[test]
fn steers_answers_and_undoes() {
    let operator = Operator::new(HONEST);
    let mut steering = operator.open("").expect("open");
    assert_eq!(steering.current().expect("current"), None);
    for side in Side::BOTH {
        steering.steer(side).expect("steer");
        assert_eq!(steering.current().expect("current"), Some(side));
    }
    steering.close().expect("close");
    assert!(!operator.path("state").exists());
}

#[test]
fn arguments_come_before_the_verb() {
    let operator = Operator::new(r#"[ "$*" = "--pair one current" ] && echo b"#);
    let steering = operator.open(r#"args = ["--pair", "one"]"#).expect("open");
    assert_eq!(steering.current().expect("current"), Some(Side::B));
}

#[test]
fn the_contract_is_what_the_operator_says_and_pessimistic_if_he_says_nothing() {
    let operator = Operator::new(HONEST);
    let silent = operator.open("").expect("open").contract();
    assert!(!silent.atomic && !silent.make_before_break);
    assert!(silent.may_lose && silent.may_double);
    let more = "atomic = true\nmake_before_break = true\nin_flight = \"50us\"";
    let told = operator.open(more).expect("open").contract();
    assert!(told.atomic && told.make_before_break && !told.may_lose && !told.may_double);
    assert_eq!(told.in_flight, Duration::from_micros(50));
}

#[test]
fn a_refusal_shows_status_and_stderr() {
    let body = r#"[ "$1" = current ] && echo a && exit; echo "no such VF" >&2; exit 3"#;
    let operator = Operator::new(body);
    let mut steering = operator.open("").expect("open");
    let error = steering.steer(Side::B).expect_err("refused").to_string();
    assert!(error.contains("program steer b"), "{error}");
    assert!(
        error.contains("exit status: 3") && error.contains("no such VF"),
        "{error}"
    );
}

#[test]
fn a_crash_shows_the_signal() {
    let error = Operator::new("kill -SEGV $$").refusal("");
    assert!(error.contains("signal: 11"), "{error}");
}

#[test]
fn an_answer_that_is_no_side_is_shown() {
    let error = Operator::new("echo left").refusal("");
    assert!(
        error.contains("printed `left`") && error.contains("a, b or none"),
        "{error}"
    );
}

#[test]
fn a_program_that_is_missing_relative_or_not_executable_is_named() {
    let operator = Operator::new(HONEST);
    operator.allow(0o644);
    let error = operator.refusal("");
    assert!(
        error.contains("steering.program") && error.contains("Permission denied"),
        "{error}"
    );
    fs::remove_file(operator.path("program")).expect("removed");
    let error = operator.refusal("");
    assert!(
        error.contains("steering.program") && error.contains("No such file"),
        "{error}"
    );
    let relative = parse("backend = \"command\"\nprogram = \"bin/steer\"").open();
    let error = relative.expect_err("relative").to_string();
    assert!(
        error.contains("`bin/steer` is not an absolute path"),
        "{error}"
    );
}

/// Runs a program that does not end by itself; its error must come at the limit.
fn runs_into_the_limit(body: &str) -> (Operator, String) {
    let operator = Operator::new(body);
    let start = Instant::now();
    let error = operator.open("timeout = \"300ms\"").expect_err("too slow");
    let took = start.elapsed();
    assert!(
        matches!(&error, SteeringError::Command(CommandError::Timeout { .. })),
        "{error}"
    );
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    (operator, error.to_string())
}

#[test]
fn a_program_that_hangs_is_killed_at_the_limit() {
    let (_, error) = runs_into_the_limit("echo 'asking the switch' >&2; sleep 60");
    assert!(
        error.contains("within 300ms") && error.contains("asking the switch"),
        "{error}"
    );
}

#[test]
fn a_program_that_closes_its_outputs_and_hangs_is_killed_at_the_limit() {
    runs_into_the_limit("exec >&- 2>&-; sleep 60");
}

#[test]
fn a_program_that_never_stops_writing_is_killed_at_the_limit() {
    let (_, error) = runs_into_the_limit("yes >&2");
    assert!(
        error.len() < 5000,
        "only the end is kept: {} bytes",
        error.len()
    );
}

#[test]
fn the_whole_process_group_dies_at_the_limit() {
    let body = "sleep 60 & echo $! > $STATE; trap '' TERM; wait";
    let (operator, _) = runs_into_the_limit(body);
    assert_is_dead(&operator);
}

#[test]
fn what_stays_behind_in_the_background_neither_delays_nor_lives_on() {
    let operator = Operator::new("sleep 60 & echo $! > $STATE; echo a");
    let start = Instant::now();
    let steering = operator.open("timeout = \"30s\"").expect("open");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it holds stdout, but is not waited for"
    );
    assert_is_dead(&operator);
    assert_eq!(steering.current().expect("current"), Some(Side::A));
}

/// The process whose number is in the state file is gone, or a zombie that waits for init.
fn assert_is_dead(operator: &Operator) {
    let pid = fs::read_to_string(operator.path("state")).expect("a process number");
    let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let deadline = Instant::now() + Duration::from_secs(2);
    while let Ok(stat) = fs::read_to_string(&stat) {
        if stat.contains(") Z ") {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {stat}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
