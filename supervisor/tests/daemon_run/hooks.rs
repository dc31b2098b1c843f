//! The operator's programs around an instance's life.

use crate::rig::{Rig, kill_process};
use std::fs;
use vhost_transfer::InstanceId::{A, B};
use vswsup::control::protocol::EventKind;

/// `[hooks]` with these lines, in which SCRIPT stands for a program with this script.
fn hooks(lines: &str, script: &str) -> String {
    let command = format!("[\"/bin/sh\", \"-c\", {script:?}]");
    format!("[hooks]\n{}", lines.replace("SCRIPT", &command))
}

fn told(rig: &Rig) -> Vec<String> {
    let text = fs::read_to_string(rig.path().join("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Those of one instance never overlap, and each knows what it is about.
pub(crate) fn one_after_the_other() {
    let rig = Rig::with(|directory| {
        let file = directory.join("told");
        let tell = |what| {
            format!(
                "echo {what} $VSWSUP_HOOK $VSWSUP_INSTANCE $VSWSUP_REASON >> {}",
                file.display()
            )
        };
        let script = format!("{}; sleep 0.3; {}", tell("begin"), tell("end"));
        hooks("pre_start = SCRIPT\npost_stop = SCRIPT\n", &script)
    });
    rig.wait_for_spare();
    kill_process(rig.pid_of(B));
    let of_b = || {
        let lines = told(&rig).into_iter();
        lines
            .filter(|line| line.contains("_start b") || line.contains("_stop b"))
            .collect::<Vec<_>>()
    };
    rig.wait("b with all its hooks", || (of_b().len() == 6).then_some(()));
    let stop = "post_stop b killed by signal 9";
    let expected = ["pre_start b", stop, "pre_start b"];
    let expected = expected
        .iter()
        .flat_map(|hook| [format!("begin {hook}"), format!("end {hook}")]);
    assert_eq!(of_b(), expected.collect::<Vec<_>>());
    rig.wait_for_spare();
    assert_eq!(rig.status().active, Some(A));
}

/// A standby that is held up delays nobody, and has its own limit.
pub(crate) fn that_hangs_before_a_start() {
    let script = "test $VSWSUP_INSTANCE = a || exec sleep 30";
    let lines = "pre_start = SCRIPT\npre_start_timeout = \"2s\"\npost_stop_timeout = \"9s\"\n";
    let rig = Rig::with(|_| hooks(lines, script));
    rig.wait_for_log("active a, no spare");
    assert!(!rig.log().contains("pre-start hook of b"), "a waited for b");
    rig.wait_for_log("pre-start hook of b: was not over within 2s, and was killed");
    let status = rig.status();
    assert_eq!((status.active, status.spare), (Some(A), false));
    rig.wait("its death", || {
        let trouble = rig.status().trouble.into_iter();
        trouble
            .into_iter()
            .find(|why| why.contains("the pre-start hook: was not over"))
    });
}

/// That it fails is told, and changes nothing.
pub(crate) fn that_fails_after_an_end() {
    let lines = "post_stop = SCRIPT\npost_stop_timeout = \"200ms\"\npre_start_timeout = \"9s\"\n";
    let rig = Rig::with(|_| hooks(lines, "exec sleep 30"));
    rig.wait_for_spare();
    kill_process(rig.pid_of(B));
    rig.wait_for_log("post-stop hook of b: was not over within 200ms, and was killed");
    let events = rig.events();
    let told = events.iter().find(|event| event.kind == EventKind::Hook);
    assert_eq!(told.expect("an event").instance, Some(B));
    rig.wait_for_spare();
    assert_eq!(rig.status().active, Some(A));
}
