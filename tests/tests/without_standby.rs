//! One instance at a time: a move stops the one and starts the other, a death starts the same again, and
//! the vault keeps the guests' connections.

mod support;

use std::path::Path;
use support::record::{command, wait_for_successor, wait_until};
use support::{
    assert_nothing_but_loss, assert_survives_deaths, in_hand, measured, three_flows,
    wait_until_all_receive,
};
use vswsup_tests::emulator::{FlowReport, FlowSpec};
use vswsup_tests::rig::{OneDevice, Rig, RigConfig};

fn slow(name: &str, from: &str, to: &str) -> FlowSpec {
    FlowSpec::steady(name, from, to, 1_000, 64)
}

fn config(more: &str) -> RigConfig {
    RigConfig {
        one_device: Some(OneDevice::Software),
        standby: false,
        more: format!("{}{more}", RigConfig::DEATHS_ARE_USUAL),
        ..RigConfig::guests(2)
    }
}

fn start(more: &str) -> Rig {
    let rig = Rig::start_without_waiting(&config(more)).unwrap();
    wait_until(&rig, "well", || rig.operator().is_well());
    rig
}

#[test]
fn a_promote_starts_the_other_one_and_keeps_every_connection() {
    let report = measured(|| {
        let rig = start("");
        let running = three_flows(&rig, slow);
        for to in ["b", "a"] {
            let outcome = command(&rig, &["promote", "--json"]);
            assert_eq!(outcome.json().unwrap()["to"], to);
            assert_one_runs(&rig, to);
            wait_until_all_receive(&rig, &running);
        }
        let waited = command(&rig, &["wait", "--timeout", "5s"]);
        assert!(
            waited.stdout.starts_with("well, without a standby"),
            "{waited:?}"
        );
        running.stop().unwrap()
    });
    for flow in &report.flows {
        assert_nothing_but_loss(flow);
        if flow.name == "VM to VM" {
            assert_eq!(flow.lost, 0, "{flow}");
        }
    }
}

#[test]
fn a_death_starts_the_same_one_again_and_keeps_every_connection() {
    let report = measured(|| {
        let rig = start("");
        let running = three_flows(&rig, slow);
        let victim = rig.operator().serving_process().unwrap();
        let pid = nix::unistd::Pid::from_raw(victim);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        wait_for_successor(&rig, victim);
        assert_one_runs(&rig, "a");
        wait_until_all_receive(&rig, &running);
        running.stop().unwrap()
    });
    report.flows.iter().for_each(assert_bounded);
}

fn assert_bounded(flow: &FlowReport) {
    assert_survives_deaths(flow, 1);
    if flow.name == "VM to VM" {
        assert!(flow.lost <= in_hand(1), "{flow}");
    }
}

#[test]
fn hooks_run_around_every_process_and_blame_tells_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script = format!("echo $VSWSUP_HOOK $VSWSUP_INSTANCE >> {}", told.display());
    let hook = format!("[\"/bin/sh\", \"-c\", {script:?}]");
    let rig = start(&format!(
        "[hooks]\npre_start = {hook}\npost_stop = {hook}\n"
    ));
    command(&rig, &["promote"]);
    wait_for_lines(&rig, &told, &["post_stop a", "pre_start a", "pre_start b"]);
    let blame = command(&rig, &["blame"]);
    for part in [
        "start of b",
        "pre-start hook",
        "restart from a to b",
        "eal",
        "@",
    ] {
        assert!(
            blame.stdout.contains(part),
            "no {part} in\n{}",
            blame.stdout
        );
    }
    wait_until(&rig, "the hook is blamed", || {
        let blame = command(&rig, &["blame"]);
        blame.stdout.contains("post-stop hook")
    });
    let picture = folder.path().join("blame.svg");
    command(&rig, &["blame", "--svg", picture.to_str().unwrap()]);
    let text = std::fs::read_to_string(picture).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let bars = document
        .descendants()
        .filter(|node| node.has_tag_name("rect"));
    assert!(bars.count() > 10, "{text}");
    drop(rig);
    let lines = lines(&told);
    assert_eq!(
        lines.iter().filter(|line| *line == "post_stop b").count(),
        1,
        "{lines:?}"
    );
}

/// What a failing hook means: no start, and a death that counts.
#[test]
fn an_instance_whose_hook_fails_is_not_started_before_it_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad");
    let hook = format!(
        "pre_start = [\"/bin/sh\", \"-c\", \"test ! -e {}\"]",
        bad.display()
    );
    let rig = start(&format!("[hooks]\n{hook}\n"));
    std::fs::write(&bad, "").unwrap();
    let outcome = rig.supervisor().command(&["promote"]).unwrap();
    assert_eq!(outcome.status.code(), Some(5), "{outcome:?}");
    assert!(
        outcome.stderr.contains("pre-start hook: failed"),
        "{outcome:?}"
    );
    std::fs::remove_file(&bad).unwrap();
    wait_until(&rig, "well again", || rig.operator().is_well());
    assert_one_runs(&rig, "a");
}

fn assert_one_runs(rig: &Rig, id: &str) {
    let status = rig.supervisor().status().unwrap();
    assert_eq!(status["active"], id, "{status}");
    assert_eq!(status["alone"], true);
    for (index, instance) in ["a", "b"].into_iter().enumerate() {
        let has_process = status["instances"][index]["pid"].is_u64();
        assert_eq!(has_process, instance == id, "{status}");
    }
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn wait_for_lines(rig: &Rig, file: &Path, wanted: &[&str]) {
    wait_until(rig, "the hooks have run", || lines(file) == wanted);
}
