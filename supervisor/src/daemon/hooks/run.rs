//! One run of a hook.

use super::Hook;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use vhost_transfer::InstanceId;

/// How long a process that was killed may take to end: one that is stuck in the kernel does not.
const KILLED: Duration = Duration::from_secs(1);

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
    /// and what it leaves behind in its process group is killed in any case.
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

#[derive(Debug)]
enum End {
    Over(ExitStatus),
    /// It was not over within the limit.
    Killed,
    /// As above, and it is there all the same.
    Stuck(Pid),
}

fn wait(mut child: Child, limit: Duration) -> io::Result<End> {
    let pid = Pid::from_child(&child);
    let in_time = is_over_within(pid, limit);
    // Nothing is left in most cases, and then there is no such group.
    let _ = kill_process_group(pid, Signal::KILL);
    if is_over_within(pid, KILLED).unwrap_or(false) {
        let status = child.wait()?;
        return Ok(if in_time? {
            End::Over(status)
        } else {
            End::Killed
        });
    }
    // Without a thread it stays a zombie until the supervisor ends.
    let reaper = thread::Builder::new().name("reaper".into());
    let _ = reaper.spawn(move || child.wait());
    in_time.map(|_| End::Stuck(pid))
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

fn judge(end: End, limit: Duration) -> Result<(), String> {
    match end {
        End::Over(status) if status.success() => Ok(()),
        End::Over(status) => Err(format!("failed: {status}")),
        End::Killed => Err(format!("was not over within {limit:?}, and was killed")),
        End::Stuck(pid) => Err(format!(
            "was not over within {limit:?}, was killed, and is still there: see /proc/{pid}/stack \
             for what holds it in the kernel"
        )),
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
    fn what_it_leaves_behind_is_killed_when_it_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("alive");
        let script = format!("(sleep 1; touch {}) & exit 0", file.display());
        let (outcome, took) = run(&script, LONG);
        assert_eq!(outcome, Ok(()));
        assert!(took < Duration::from_millis(900), "{took:?}");
        std::thread::sleep(Duration::from_millis(1300));
        assert!(!file.exists(), "a child of the hook lives on");
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
