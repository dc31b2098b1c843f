//! The process of an instance, and the lifeline to it.

use super::tokens;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use vhost_transfer::message::{Hello, Phase};
use vhost_transfer::{InstanceId, Lifeline};

/// A process that is not reaped yet. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pidfd: OwnedFd,
    pub(super) lifeline: Lifeline,
    /// What it said first.
    pub(super) hello: Option<Hello>,
    /// How long its start took.
    pub(super) phases: Vec<Phase>,
    /// There may be more to hear than was heard.
    pub(super) has_more: bool,
}

impl Process {
    /// Starts `program` in a process group of its own, so that a Ctrl-C is the supervisor's
    /// business alone. Of all fds it inherits stderr, twice, and its end of the lifeline.
    pub(super) fn spawn(program: &Path, id: InstanceId, registry: &Registry) -> io::Result<Self> {
        let (lifeline, theirs) = Lifeline::pair()?;
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let stdout = io::stderr().as_fd().try_clone_to_owned()?;
        let child = Command::new(program)
            .arg("--lifeline-fd")
            .arg(theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::from(stdout))
            .process_group(0)
            .spawn()?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let process = Self {
            child,
            pidfd,
            lifeline,
            hello: None,
            phases: Vec::new(),
            has_more: false,
        };
        process.register(id, registry)?;
        Ok(process)
    }

    fn register(&self, id: InstanceId, registry: &Registry) -> io::Result<()> {
        let both_ways = Interest::READABLE | Interest::WRITABLE;
        let lifeline = self.lifeline.as_raw_fd();
        registry.register(&mut SourceFd(&lifeline), tokens::lifeline(id), both_ways)?;
        let pidfd = self.pidfd.as_raw_fd();
        registry.register(&mut SourceFd(&pidfd), tokens::exit(id), Interest::READABLE)
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// SIGKILL. A process that has just ended needs none.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// How it ended, if it has.
    pub(super) fn reap(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(Some(status)) => Some(how(status)),
            Ok(None) => None,
            Err(error) => Some(format!("lost: {error}")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // It was ours to wait for, and SIGKILL does not fail.
        let _ = self.child.wait();
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("left with status {code}"),
        (None, Some(signal)) if status.core_dumped() => {
            format!("killed by signal {signal}, core dumped")
        }
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
