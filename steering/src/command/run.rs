//! Runs a program within a time limit, whatever it does.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{self, PidfdFlags, pidfd_open};

use super::CommandError;
use super::output::Output;

/// A killed program that does not end (it hangs in the kernel) is left alone after this time.
const GRACE: Duration = Duration::from_millis(100);

/// Runs a program and returns its stdout, if it ends with status 0 within `limit`.
/// Nothing that it started in its process group outlives the call.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<String, CommandError> {
    let call = describe(command);
    let child = start(command)?;
    match watch(child, limit) {
        Err(source) => Err(CommandError::Wait { call, source }),
        Ok(Outcome {
            status: None,
            stderr,
            ..
        }) => Err(CommandError::Timeout {
            call,
            limit,
            stderr,
        }),
        Ok(Outcome {
            status: Some(status),
            stderr,
            ..
        }) if !status.success() => Err(CommandError::Failed {
            call,
            status,
            stderr,
        }),
        Ok(Outcome { stdout, .. }) => Ok(stdout),
    }
}

fn describe(command: &Command) -> String {
    let args = command
        .get_args()
        .map(|arg| format!(" {}", arg.to_string_lossy()));
    command.get_program().to_string_lossy().into_owned() + &args.collect::<String>()
}

fn start(command: &mut Command) -> Result<Child, CommandError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let program = command.get_program().into();
    command
        .spawn()
        .map_err(|source| CommandError::Start { program, source })
}

/// What a program did. Without a status it did not end within the limit.
struct Outcome {
    status: Option<ExitStatus>,
    stdout: String,
    stderr: String,
}

/// Sees a program to its end, which is forced at the limit or if it cannot be watched.
fn watch(mut child: Child, limit: Duration) -> io::Result<Outcome> {
    let group = Pid::from_raw(child.id().cast_signed());
    let watched = Watched::new(&mut child).and_then(|mut watched| {
        let ended = watched.collect(limit)?;
        Ok((watched, ended))
    });
    // Up to here an ended program is a zombie, whose number goes on to mean it and its group.
    killpg(group, Signal::SIGKILL)?;
    let (mut watched, ended) = watched?;
    let dead = ended || watched.collect(GRACE)?;
    let status = if dead { Some(child.wait()?) } else { None };
    Ok(Outcome {
        status: status.filter(|_| ended),
        stdout: watched.stdout.text(),
        stderr: watched.stderr.text(),
    })
}

/// The end and the outputs of a program, as they become readable.
struct Watched {
    end: OwnedFd,
    stdout: Output,
    stderr: Output,
}

impl Watched {
    fn new(child: &mut Child) -> io::Result<Self> {
        Ok(Self {
            end: pidfd_open(process::Pid::from_child(child), PidfdFlags::empty())?,
            stdout: Output::new(child.stdout.take().map(OwnedFd::from))?,
            stderr: Output::new(child.stderr.take().map(OwnedFd::from))?,
        })
    }

    /// Collects outputs until the program ends; `false`: it has not within `limit`.
    fn collect(&mut self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = self.wait(left)?;
            self.stdout.read()?;
            self.stderr.read()?;
            if ended || left.is_zero() {
                return Ok(ended);
            }
        }
    }

    /// Waits until the program ends (`true`) or writes, for at most `limit`.
    fn wait(&self, limit: Duration) -> io::Result<bool> {
        let pipes = [self.stdout.pipe(), self.stderr.pipe()]
            .into_iter()
            .flatten();
        let fds = std::iter::once(self.end.as_fd()).chain(pipes);
        let mut polled: Vec<_> = fds.map(readable).collect();
        match poll(&mut polled, timeout(limit)) {
            Ok(_) => Ok(polled[0].any() == Some(true)),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Rounded up: poll counts whole milliseconds.
fn timeout(limit: Duration) -> PollTimeout {
    let limit = limit.saturating_add(Duration::from_micros(999));
    PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)
}
