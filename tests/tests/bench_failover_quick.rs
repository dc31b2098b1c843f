//! The failover benchmark runs, counts and writes what it should, and gives back what it changed when
//! it is interrupted. No times are judged here.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use support::leftovers::leaves_nothing;
use vswsup_tests::rig::require_root;

const RUNS: u64 = 2;
const RESTARTS: u64 = 1;
const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Quick, with its temporary files in a folder of its own.
fn benchmark(temporary: &Path) -> Command {
    require_root().unwrap();
    let (runs, restarts) = (RUNS.to_string(), RESTARTS.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench-failover"));
    command
        .env("TMPDIR", temporary)
        .args(["--quick", "--runs", &runs, "--restarts", &restarts])
        .arg("--output")
        .arg(temporary.join("bench").join("failover.json"));
    command
}

/// `median`, `p99` and `max`, in this order of size.
fn assert_is_summary(value: &Value) {
    let number = |name: &str| value[name].as_f64().unwrap_or_else(|| panic!("{value}"));
    let (median, p99, max) = (number("median"), number("p99"), number("max"));
    assert!(median <= p99 && p99 <= max, "{value}");
}

#[test]
fn deaths_are_measured_and_nobody_is_disconnected() {
    let temporary = tempfile::tempdir().unwrap();
    let pattern = fs::read_to_string(CORE_PATTERN).unwrap();
    let run = benchmark(temporary.path()).output().unwrap();
    let messages = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}\n{messages}", run.status);
    assert_eq!(fs::read_to_string(CORE_PATTERN).unwrap(), pattern);
    let text = fs::read(temporary.path().join("bench").join("failover.json")).unwrap();
    let report: Value = serde_json::from_slice(&text).unwrap();
    assert_is_summary(&report["noise_us"]);
    assert!(report["noise_us"]["median"].as_f64() > Some(0.0));
    let cases = report["cases"].as_array().unwrap();
    let kinds: Vec<_> = cases
        .iter()
        .map(|case| {
            (
                case["cause"].as_str().unwrap(),
                case["devices"].as_u64().unwrap(),
            )
        })
        .collect();
    let causes = ["sigkill", "sigsegv_core", "hang", "restart_without_standby"];
    let expected: Vec<_> = causes
        .iter()
        .flat_map(|&cause| [(cause, 1), (cause, 4)])
        .collect();
    assert_eq!(kinds, expected);
    cases.iter().for_each(assert_is_case);
}

fn assert_is_case(case: &Value) {
    assert_is_summary(&case["blackout_us"]);
    let count = |name: &str| {
        case[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {case}"))
    };
    assert!(count("lost") + count("doubled") <= case["counts"]["sent"].as_u64().unwrap());
    assert_eq!(count("stuck"), 0, "{case}");
    let restarted = case["cause"] == "restart_without_standby";
    let [runs, disconnects] = match restarted {
        true => [RESTARTS, RESTARTS * count("devices")],
        false => [RUNS, 0],
    };
    assert_eq!(
        [count("runs"), count("disconnects")],
        [runs, disconnects],
        "{case}"
    );
    let cores = u64::from(case["cause"] == "sigsegv_core") * RUNS;
    assert_eq!(count("cores"), cores, "{case}");
    let resident = case["resident_kib"].as_f64().unwrap();
    assert!(resident >= (256 << 10) as f64, "{case}");
}

#[test]
fn an_interrupted_benchmark_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let pattern = fs::read_to_string(CORE_PATTERN).unwrap();
    let mut run = benchmark(temporary.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(run.stderr.take().unwrap());
    let mut lines = said.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("rounds 0 of")));
    assert_ne!(fs::read_to_string(CORE_PATTERN).unwrap(), pattern);

    kill(Pid::from_raw(run.id() as i32), Signal::SIGTERM).unwrap();
    let rest: Vec<_> = lines.collect();
    assert_eq!(run.wait().unwrap().code(), Some(130), "{rest:#?}");
    assert_eq!(fs::read_to_string(CORE_PATTERN).unwrap(), pattern);
    leaves_nothing(temporary.path());
}
