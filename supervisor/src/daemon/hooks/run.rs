//! One run of a hook.

use super::Hook;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use vhost_transfer::InstanceId;

/// A program, and how long it may take.
#[derive(Debug)]
pub(super) struct Run {
    command: Command,
    limit: Duration,
}

impl Run {
    /// `None`: there is no such hook.
    pub(super) fn of(command: &[String], limit: Duration) -> Option<Self> {
        let (program, arguments) = command.split_first()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .process_group(0);
        Some(Self { command, limit })
    }

    /// Tells the program what it is about.
    pub(super) fn about(mut self, id: InstanceId, hook: Hook, reason: Option<String>) -> Self {
        let name = match hook {
            Hook::PreStart => "pre_start",
            Hook::PostStop => "post_stop",
        };
        self.command
            .env("VSWSUP_HOOK", name)
            .env("VSWSUP_INSTANCE", id.to_string());
        if let Some(reason) = reason {
            self.command.env("VSWSUP_REASON", reason);
        }
        self
    }

    /// Runs it; what it says goes where the supervisor's own words go. At the limit it is killed,
    /// and what it leaves behind is killed in any case.
    pub(super) fn and_wait(mut self) -> (Result<(), String>, Duration) {
        let began = Instant::now();
        let outcome = self
            .start()
            .and_then(|child| wait(child, self.limit))
            .map_err(|error| format!("cannot be run: {error}"))
            .and_then(|end| judge(end, self.limit));
        (outcome, began.elapsed())
    }

    fn start(&mut self) -> io::Result<Child> {
        let stdout = io::stderr().as_fd().try_clone_to_owned()?;
        self.command.stdout(Stdio::from(stdout)).spawn()
    }
}

/// `None`: it was not over within the limit.
fn wait(mut child: Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = Pid::from_child(&child);
    let in_time = is_over_within(pid, limit);
    // Nothing is left in most cases, and then there is no such group.
    let _ = kill_process_group(pid, Signal::KILL);
    let status = child.wait()?;
    Ok(in_time?.then_some(status))
}

fn is_over_within(pid: Pid, limit: Duration) -> io::Result<bool> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut end = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut end, timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn judge(end: Option<ExitStatus>, limit: Duration) -> Result<(), String> {
    match end {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("failed: {status}")),
        None => Err(format!("was not over within {limit:?}, and was killed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> (Result<(), String>, Duration) {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let run = Run::of(&command, limit).unwrap();
        let reason = Some("killed by signal 9".to_owned());
        run.about(InstanceId::B, Hook::PostStop, reason).and_wait()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn it_knows_what_it_is_about() {
        let script = "test \"$VSWSUP_HOOK $VSWSUP_INSTANCE\" = 'post_stop b' && \
                      test \"$VSWSUP_REASON\" = 'killed by signal 9'";
        assert_eq!(run(script, LONG).0, Ok(()));
        assert_eq!(Run::of(&[], LONG).map(|_| ()), None);
    }

    #[test]
    fn a_failure_and_a_program_that_is_not_there_are_told() {
        assert_eq!(run("exit 3", LONG).0, Err("failed: exit status: 3".into()));
        let missing = Run::of(&["/nowhere/at/all".to_owned()], LONG).unwrap();
        let text = missing.and_wait().0.unwrap_err();
        assert!(text.starts_with("cannot be run: "), "{text}");
    }

    #[test]
    fn at_the_limit_it_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("alive");
        let script = format!("(sleep 2; touch {}) & wait", file.display());
        let (outcome, took) = run(&script, Duration::from_millis(100));
        assert!(outcome.unwrap_err().contains("was not over within 100ms"));
        assert!(took < Duration::from_millis(1900), "{took:?}");
        std::thread::sleep(Duration::from_millis(2300));
        assert!(!file.exists(), "a child of the hook lives on");
    }
}
