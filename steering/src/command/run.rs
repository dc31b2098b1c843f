//! Runs a program within a time limit, whatever it does.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::CommandError;
use super::output::{self, Output};

/// A program that has closed its outputs but has not ended is looked at this often.
const LOOK: Duration = Duration::from_millis(1);

/// A killed program that does not end (it hangs in the kernel) is left alone after this time.
const GRACE: Duration = Duration::from_millis(100);

/// Runs a program and returns its stdout, if it ends with status 0 within `limit`.
/// Nothing that it started in its process group outlives the call.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<String, CommandError> {
    let call = describe(command);
    let mut running = Running::start(command)?;
    let ended = running.wait(limit);
    let status = running.end();
    let stderr = running.stderr.text();
    match (ended, status) {
        (Err(source), _) | (_, Err(source)) => Err(CommandError::Wait { call, source }),
        (Ok(true), Ok(Some(status))) if status.success() => Ok(running.stdout.text()),
        (Ok(true), Ok(Some(status))) => Err(CommandError::Failed {
            call,
            status,
            stderr,
        }),
        (Ok(_), Ok(_)) => Err(CommandError::Timeout {
            call,
            limit,
            stderr,
        }),
    }
}

fn describe(command: &Command) -> String {
    let args = command
        .get_args()
        .map(|arg| format!(" {}", arg.to_string_lossy()));
    command.get_program().to_string_lossy().into_owned() + &args.collect::<String>()
}

/// A process that leads its own group, and what it has written so far.
struct Running {
    child: Child,
    group: Pid,
    stdout: Output,
    stderr: Output,
}

impl Running {
    fn start(command: &mut Command) -> Result<Self, CommandError> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.get_program().into();
        let mut child = command
            .process_group(0)
            .spawn()
            .map_err(|source| CommandError::Start { program, source })?;
        let group = Pid::from_raw(child.id().cast_signed());
        let stdout = Output::new(child.stdout.take().map(OwnedFd::from));
        let stderr = Output::new(child.stderr.take().map(OwnedFd::from));
        Ok(Self {
            child,
            group,
            stdout,
            stderr,
        })
    }

    /// Collects output until the program ends; `false`: it has not within `limit`.
    fn wait(&mut self, limit: Duration) -> io::Result<bool> {
        self.stdout.unblock()?;
        self.stderr.unblock()?;
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.has_ended()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                self.read(Duration::ZERO)?;
                return Ok(ended);
            }
            self.read(left)?;
        }
    }

    /// Reads what is there, after waiting for it for at most `limit`.
    fn read(&mut self, limit: Duration) -> io::Result<()> {
        let both_closed = self.stdout.is_closed() && self.stderr.is_closed();
        let limit = if both_closed { limit.min(LOOK) } else { limit };
        output::wait([&self.stdout, &self.stderr], limit)?;
        self.stdout.read()?;
        self.stderr.read()
    }

    /// An ended process stays a zombie, so that its number goes on to mean it and its group.
    fn has_ended(&self) -> io::Result<bool> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        Ok(waitid(Id::Pid(self.group), flags)? != WaitStatus::StillAlive)
    }

    /// Kills what is left of the group and reaps the program; `None`: it does not even die.
    fn end(&mut self) -> io::Result<Option<ExitStatus>> {
        killpg(self.group, Signal::SIGKILL)?;
        let deadline = Instant::now() + GRACE;
        while !self.has_ended()? {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
        self.child.wait().map(Some)
    }
}
