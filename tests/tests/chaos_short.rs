//! A short run of `make chaos`, always with the same deaths.

use serde_json::Value;
use std::process::Command;
use vswsup_tests::rig::require_root;

const DEATHS: u64 = 20;
const SEED: &str = "3";

#[test]
fn twenty_deaths_and_everything_holds() {
    require_root().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["--json", "--seed", SEED, "--deaths", &DEATHS.to_string()])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&run.stderr);
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{}\n{text}\n{messages}", run.status);
    assert!(messages.contains(&format!("seed {SEED}")), "{messages}");

    let outcome: Value = serde_json::from_slice(&run.stdout).unwrap();
    println!("{outcome:#}");
    let kinds = outcome["kinds"].as_object().unwrap();
    let sum = |name: &str| -> u64 { kinds.values().filter_map(|kind| kind[name].as_u64()).sum() };
    assert!(sum("deaths") >= DEATHS, "{outcome:#}");
    assert_eq!(sum("disconnects") + sum("stuck") + sum("reordered"), 0);
    assert_eq!(outcome["violations"], Value::Array(vec![]));
    assert!(
        kinds.contains_key("double") && kinds.contains_key("promote"),
        "this seed has both: {outcome:#}"
    );
}
