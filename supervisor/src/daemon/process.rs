//! The process of an instance, and the lifeline to it.

use super::roster::Orphan;
use super::start_times::StartTimes;
use super::{seclusion, tokens};
use crate::control::protocol::Phase;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal,
    waitid,
};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use vhost_transfer::message::Hello;
use vhost_transfer::{InstanceId, Lifeline};

/// How long a process that has ended stays a zombie.
const LAST_THREADS_LEAVE_FOR: Duration = Duration::from_secs(1);

/// A process that is not reaped yet. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    /// `None` when a supervisor before this one has started it: then only its end can be seen, and
    /// not how it ended.
    child: Option<Child>,
    pub(super) lifeline: Lifeline,
    /// What it said first.
    pub(super) hello: Option<Hello>,
    /// How long its start took.
    pub(super) phases: Vec<Phase>,
    /// `None` when a supervisor before this one has started it.
    pub(super) start_times: Option<StartTimes>,
    /// There may be more to hear than was heard.
    pub(super) has_more: bool,
}

impl Process {
    /// Starts `program`, after a hook that took so long, in a process group of its own, so that a Ctrl-C is the supervisor's
    /// business alone. Of all fds it inherits stderr, twice, and its end of the lifeline. It does not
    /// see the `hidden` devices.
    pub(super) fn spawn(
        program: &Path,
        hidden: &[PathBuf],
        id: InstanceId,
        hook: Option<Duration>,
        registry: &Registry,
    ) -> io::Result<Self> {
        let start_times = StartTimes::spawned(hook);
        let (lifeline, theirs) = Lifeline::pair()?;
        let stdout = io::stderr().as_fd().try_clone_to_owned()?;
        let mut command = Command::new(program);
        command
            .arg("--lifeline-fd")
            .arg(theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::from(stdout))
            .process_group(0);
        hand_down(&mut command, &theirs);
        seclusion::hide(&mut command, hidden);
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let process = Self {
            pid,
            pidfd,
            child: Some(child),
            lifeline,
            hello: None,
            phases: Vec::new(),
            start_times: Some(start_times),
            has_more: false,
        };
        process.register(id, registry)?;
        Ok(process)
    }

    /// One that a supervisor before this one has started, and that has come back.
    pub(super) fn adopt(
        orphan: Orphan,
        lifeline: Lifeline,
        hello: Hello,
        registry: &Registry,
    ) -> io::Result<Self> {
        let process = Self {
            pid: orphan.pid,
            pidfd: orphan.pidfd,
            child: None,
            lifeline,
            hello: Some(hello),
            phases: Vec::new(),
            start_times: None,
            has_more: true,
        };
        match process.register(orphan.instance, registry) {
            Ok(()) => Ok(process),
            Err(error) => {
                // It goes on without a supervisor: dropping would kill it.
                std::mem::forget(process);
                Err(error)
            }
        }
    }

    fn register(&self, id: InstanceId, registry: &Registry) -> io::Result<()> {
        let both_ways = Interest::READABLE | Interest::WRITABLE;
        let lifeline = self.lifeline.as_raw_fd();
        registry.register(&mut SourceFd(&lifeline), tokens::lifeline(id), both_ways)?;
        let pidfd = self.pidfd.as_raw_fd();
        registry.register(&mut SourceFd(&pidfd), tokens::exit(id), Interest::READABLE)
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    pub(super) fn raw_pid(&self) -> Pid {
        self.pid
    }

    /// SIGKILL. A process that has just ended needs none.
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        if self.child.is_none() {
            return self.has_ended().then_some(End::Lost);
        }
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), look) {
            Ok(status) => status.map(End::of),
            Err(_) => Some(End::Lost),
        }
    }

    fn has_ended(&self) -> bool {
        let mut end = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut end, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

/// The program of `command` inherits `fd`, and no other that is started meanwhile, such as a hook in its
/// thread: that one would keep the lifeline of a dead instance open.
fn hand_down(command: &mut Command, fd: &OwnedFd) {
    let fd = fd.as_raw_fd();
    let inherit = move || {
        // SAFETY: the child has every fd that was open when it was forked, and this one was.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: between fork and exec it makes one system call, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(inherit) };
}

/// Reaping is left to a thread: it can wait, and nothing else should wait for it.
impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(child) = self.child.take() {
            // Without a thread it stays a zombie until this process ends.
            let _ = thread::Builder::new()
                .name("reaper".into())
                .spawn(move || reap(child));
        }
    }
}

/// Reaps a while after the end: threads of the process may still be taking their own entries out of
/// /proc, and the kernel would spin for one that has lost its CPU, for seconds on a busy machine
/// (`release_task`, Linux `kernel/exit.c`; `shrink_dcache_parent`, Linux `fs/dcache.c`). When this
/// process ends before, reaping is its parent's.
fn reap(mut child: Child) {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let pid = Pid::from_child(&child);
    if retry_on_intr(|| waitid(WaitId::Pid(pid), look)).is_ok() {
        thread::sleep(LAST_THREADS_LEAVE_FOR);
    }
    // It is this process's child, and is waited for once.
    let _ = child.wait();
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Left { status: i32 },
    /// By a signal.
    Killed { signal: i32, core_dumped: bool },
    /// Only who had started it knows, another supervisor.
    Lost,
}

impl End {
    fn of(status: WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => Self::Left { status },
            (None, Some(signal)) => Self::Killed {
                signal,
                core_dumped: status.dumped(),
            },
            (None, None) => Self::Lost,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { status } => write!(f, "left with status {status}"),
            Self::Killed {
                signal,
                core_dumped,
            } => {
                let core = if *core_dumped { ", core dumped" } else { "" };
                write!(f, "killed by signal {signal}{core}")
            }
            Self::Lost => f.write_str("ended; another supervisor had started it"),
        }
    }
}
