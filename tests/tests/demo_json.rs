//! The demo as a newcomer and a script run it: what it prints, and what it leaves behind. No times are judged.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use vswsup_tests::rig::require_root;

const PROMOTES: u64 = 3;

/// The demo, with everything it makes in `folder`.
fn demo(folder: &Path) -> Command {
    require_root().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command
        .arg("--svg")
        .arg(folder.join("pictures").join("demo.svg"));
    command.env("TMPDIR", folder);
    command
}

/// Command lines of running processes that name `folder`, and what is left in it beside the picture.
fn leftovers(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
    let files = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|file| file.path());
    let files = files.filter(|file| file.file_name() != Some("pictures".as_ref()));
    let mut left: Vec<String> = lines.filter(|line| line.contains(name)).collect();
    left.extend(files.map(|file| file.display().to_string()));
    left
}

fn assert_flows(moves: &Value, clean: bool) {
    let flows = moves["flows"]
        .as_array()
        .unwrap_or_else(|| panic!("flows: {moves}"));
    let names: Vec<_> = flows
        .iter()
        .map(|flow| flow["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["vm-to-vm", "uplink-to-vm", "vm-to-uplink"]);
    for flow in flows {
        let count = |name: &str| {
            flow[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name}: {flow}"))
        };
        assert!(count("sent") > 0 && count("received") > 0, "{flow}");
        assert_eq!(count("sent"), count("received") + count("lost"), "{flow}");
        assert_eq!(count("doubled"), 0, "{flow}");
        if clean {
            assert_eq!(
                (count("lost"), count("reordered"), count("disconnects")),
                (0, 0, 0),
                "{flow}"
            );
        } else {
            assert!(count("disconnects") > 0, "{flow}");
        }
        assert_summary(&flow["blackout_us"]);
    }
}

fn assert_summary(summary: &Value) {
    let [median, p99, max] = ["median", "p99", "max"].map(|part| summary[part].as_f64().unwrap());
    assert!(0.0 < median && median <= p99 && p99 <= max, "{summary}");
}

#[test]
fn json_tells_that_promotes_go_unnoticed_and_a_restart_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = demo(folder.path())
        .args(["--json", "--promotes", &PROMOTES.to_string()])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success(),
        "{}\n{}\n{messages}",
        run.status,
        String::from_utf8_lossy(&run.stdout)
    );
    let json: Value =
        serde_json::from_slice(&run.stdout).expect("JSON and nothing else on standard output");
    assert_eq!(json["promotes"], PROMOTES);
    assert!(json["void_runs"].is_u64(), "{json}");
    assert_summary(&json["noise_us"]);
    assert_flows(&json, true);
    assert_flows(&json["reconnect"], false);
    assert_flows(&json["restart"], false);
    let each = json["each_promote"].as_array().unwrap();
    assert_eq!(each.len() as u64, PROMOTES);
    each.iter().for_each(|promote| assert_flows(promote, true));
    let picture = std::fs::read_to_string(folder.path().join("pictures").join("demo.svg")).unwrap();
    assert!(
        roxmltree::Document::parse(&picture)
            .unwrap()
            .root_element()
            .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
    );
    assert_eq!(leftovers(folder.path()), [""; 0]);
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = demo(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = BufReader::new(run.stderr.take().unwrap()).lines();
    let under_way = messages
        .by_ref()
        .find(|line| line.as_ref().unwrap().contains("promote 2 of 20"));
    assert!(
        under_way.is_some(),
        "the demo ended before its second promote: {:?}",
        run.wait()
    );
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).unwrap();
    let rest: Vec<_> = messages.map_while(Result::ok).collect();
    assert_eq!(run.wait().unwrap().code(), Some(130), "{rest:?}");
    assert_eq!(leftovers(folder.path()), [""; 0], "{rest:?}");
}
