//! The benchmark runs, counts and writes what it should. No times are judged here.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use vswsup_tests::rig::require_root;

const PROMOTES: u64 = 5;

fn measure(output: &Path) -> Value {
    require_root().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_bench-promote"))
        .args(["--quick", "--runs", &PROMOTES.to_string(), "--output"])
        .arg(output)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&run.stdout);
    let messages = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}\n{table}\n{messages}", run.status);
    assert!(table.contains("blackout of a promote"), "{table}");
    serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap()
}

/// `median`, `p99` and `max`, in this order of size.
fn assert_is_summary(value: &Value, what: &str) {
    let number = |name: &str| {
        value[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{what}.{name}: {value}"))
    };
    let (median, p99, max) = (number("median"), number("p99"), number("max"));
    assert!(
        0.0 < median && median <= p99 && p99 <= max,
        "{what}: {value}"
    );
}

#[test]
fn promotes_are_measured_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let report = measure(&dir.path().join("bench").join("promote.json"));
    assert_eq!(report["runs"], PROMOTES);
    for name in ["blackout_us", "freeze_us", "noise_us", "restart_us"] {
        assert_is_summary(&report[name], name);
    }
    for name in ["lost", "doubled", "reordered", "disconnects"] {
        assert_eq!(report[name], 0, "{name}");
    }
    let flows = report["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 3);
    for flow in flows {
        assert!(flow["counts"]["sent"].as_u64() > Some(0), "{flow}");
        assert_eq!(flow["counts"]["sent"], flow["counts"]["received"], "{flow}");
    }
    let by_devices = report["by_devices"].as_array().unwrap();
    let devices: Vec<_> = by_devices
        .iter()
        .map(|one| one["devices"].as_u64())
        .collect();
    assert_eq!(devices, [Some(1), Some(4)]);
    for one in by_devices {
        assert_is_summary(&one["freeze_us"], "by_devices.freeze_us");
        assert_is_summary(&one["blackout_us"], "by_devices.blackout_us");
        for name in ["lost", "doubled", "reordered", "corrupted"] {
            assert_eq!(one["counts"][name], 0, "{name}: {one}");
        }
        assert_eq!(one["disconnects"], 0, "{one}");
    }
    let windows = report["windows"].as_array().unwrap();
    let promoted = windows.iter().filter(|window| !window["promote"].is_null());
    assert_eq!(promoted.count() as u64, PROMOTES);
    assert_eq!(windows.len() as u64, 2 * PROMOTES);
    assert!(
        report["restart"]["disconnects"].as_u64() >= Some(2),
        "a restart closes connections"
    );
    assert!(report["standby"]["rss_kib"].as_u64() > Some(0));
}
