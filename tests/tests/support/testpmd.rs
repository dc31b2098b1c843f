//! dpdk-testpmd at its prompt, as the front end of virtio-user ports that come and go.

use super::PATIENCE;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, Signal, signal};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Both of its threads on the last CPU: the first is the lanes'.
const ARGUMENTS: [&str; 11] = [
    "--lcores",
    "0@1,1@1",
    "--no-huge",
    "-m",
    "128",
    "--no-pci",
    "--no-telemetry",
    "--",
    "-i",
    "--forward-mode=flowgen",
    "--total-num-mbufs=4000",
];

/// A running testpmd. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Prompt {
    process: Child,
    commands: ChildStdin,
    log: PathBuf,
    _folder: TempDir,
    asked: u32,
}

impl Prompt {
    /// Without ports.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let mut process = spawn(folder.path(), File::create(&log).expect("a log file"));
        let commands = process.stdin.take().expect("it is a pipe");
        let mut prompt = Self {
            process,
            commands,
            log,
            _folder: folder,
            asked: 0,
        };
        prompt.run("show port summary all");
        prompt
    }

    /// Has it do this, and returns what it said until it was done.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let before = self.said().len();
        self.asked += 1;
        // A comment is echoed when it is read, which is after the command.
        let end = format!("#{}.", self.asked);
        writeln!(self.commands, "{command}\n{end}").expect("testpmd reads");
        let until = Instant::now() + PATIENCE;
        loop {
            let said = self.said().split_off(before);
            if let Some((answer, _)) = said.split_once(&end) {
                return answer.to_owned();
            }
            if let Some(status) = self.process.try_wait().expect("it is our child") {
                panic!("{command}: testpmd ended, {status}: {}", self.said());
            }
            assert!(
                Instant::now() < until,
                "{command}: testpmd is blocked: {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it.
    pub(crate) fn end(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }

    /// All that it said.
    pub(crate) fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).expect("its log");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(folder: &Path, log: File) -> Child {
    let (eal, own) = ARGUMENTS.split_at(ARGUMENTS.len() - 4);
    // Its messages come in the order of its echo.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "dpdk-testpmd"]).args(eal);
    command
        .arg("--file-prefix")
        .arg(folder.file_name().expect("a folder has a name"))
        .args(own);
    let errors = log.try_clone().expect("a second handle");
    command.stdin(Stdio::piped()).stdout(log).stderr(errors);
    // SAFETY: prctl and signal are async-signal-safe, allocate nothing, and no handler is set.
    unsafe { command.pre_exec(|| Ok(prepare()?)) };
    command
        .spawn()
        .expect("dpdk-testpmd runs: install the Debian package dpdk-dev")
}

/// To be killed with the test's thread. And virtio-user's writes to a connection that was closed give
/// SIGPIPE, of which a DPDK application dies if it does not ignore it.
fn prepare() -> nix::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // SAFETY: nothing is called for a signal that is ignored.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }.map(drop)
}
