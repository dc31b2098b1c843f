//! Ctrl-C in the middle of the demo with a real guest leaves nothing behind.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

mod support;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;
use support::leftovers::leaves_nothing;

#[test]
fn in_the_middle_of_the_promotes() {
    interrupted_at("promote 2 of");
}

#[test]
fn while_the_guest_boots() {
    interrupted_at("the switch and the guest start");
}

fn interrupted_at(moment: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo-vm"))
        .env("TMPDIR", temporary.path())
        .process_group(0) // as a terminal has it: the signal goes to all of the group
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(demo.stderr.take().unwrap());
    let mut lines = said.lines().map(Result::unwrap);
    let until = lines.by_ref().find(|line| line.contains(moment));
    assert!(until.is_some(), "the demo never came to {moment:?}");
    thread::sleep(Duration::from_millis(1500));

    killpg(Pid::from_raw(demo.id() as i32), Signal::SIGINT).unwrap();
    let rest: Vec<_> = lines.collect();
    assert_eq!(demo.wait().unwrap().code(), Some(130), "{rest:#?}");
    leaves_nothing(temporary.path());
}
