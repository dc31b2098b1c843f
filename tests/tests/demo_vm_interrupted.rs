//! Ctrl-C in the middle of the demo with a real guest leaves nothing behind.
//!
//! Needs root and QEMU (scripts/packages); fails with the reason where they are missing.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

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
    let left: Vec<_> = temporary.path().read_dir().unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let begin = Instant::now();
    while let Some(process) = process_of(temporary.path()) {
        assert!(begin.elapsed() < PATIENCE, "still runs: {process}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A process whose command line names the directory.
fn process_of(directory: &Path) -> Option<String> {
    let name = directory.to_str().unwrap();
    let processes = Path::new("/proc").read_dir().unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .find(|line| line.contains(name))
}
