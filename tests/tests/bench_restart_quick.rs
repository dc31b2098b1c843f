//! The benchmark runs, counts, writes and draws what it should. No times are judged here.

use serde_json::Value;
use std::process::Command;
use vswsup_tests::rig::require_root;

#[test]
fn three_cases_are_measured_and_drawn() {
    require_root().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("bench").join("restart.json");
    let run = Command::new(env!("CARGO_BIN_EXE_bench-restart"))
        .args(["--quick", "--output"])
        .arg(&output)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&run.stdout);
    let messages = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}\n{table}\n{messages}", run.status);
    let report: Value = serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap();
    let cases = report["cases"].as_array().unwrap();
    let names: Vec<_> = cases
        .iter()
        .map(|case| case["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cold", "fast", "warm"]);
    for case in cases {
        let outage = |what: &str| case["outage_ms"][what].as_f64().unwrap();
        assert!(
            0.0 < outage("median") && outage("median") <= outage("max"),
            "{case}"
        );
        assert_eq!(
            (&case["runs"], &case["disconnects"]),
            (&1.into(), &0.into()),
            "{case}"
        );
        assert_eq!(
            (&case["uplink"], &case["memory_mib"]),
            (&"net_af_packet".into(), &128.into())
        );
        assert!(table.contains(case["name"].as_str().unwrap()), "{table}");
    }
    let picture = std::fs::read_to_string(output.with_extension("svg")).unwrap();
    let document = roxmltree::Document::parse(&picture).unwrap();
    let bars = document
        .descendants()
        .filter(|node| node.has_tag_name("rect"));
    assert_eq!(bars.count(), 1 + 3, "the sheet and three bars");
}
