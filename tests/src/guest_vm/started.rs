//! QEMU from its start on, with its two channels: to itself, and to the agent in its guest.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::agent::{Agent, Deadline};
use super::process::describe;
use super::qemu::Paths;
use super::{GuestVmError, Process, Result};

pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// QEMU as started. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct StartedQemu {
    pub(crate) process: Process,
    pub(crate) paths: Paths,
    pub(crate) qmp: UnixStream,
    pub(crate) agent: Agent,
}

impl StartedQemu {
    /// Starts it with `arguments`, which name the sockets of `paths`.
    pub(crate) fn start(qemu: &Path, arguments: Vec<String>, paths: Paths) -> Result<Self> {
        let mut process = Process::start(qemu, arguments, &paths.log)?;
        let deadline = Deadline::after(CONNECT_LIMIT);
        let qmp = connect(&paths.qmp, &mut process, &paths, deadline)?;
        let agent = connect(&paths.agent, &mut process, &paths, deadline)?;
        Ok(Self {
            process,
            qmp,
            agent: Agent::new(agent)?,
            paths,
        })
    }

    /// Waits until the guest runs commands; ends with [`GuestVmError::GivenUp`] as soon as `given_up`
    /// says so.
    pub(crate) fn wait_ready(
        &mut self,
        deadline: Deadline,
        given_up: impl Fn() -> bool,
    ) -> Result<()> {
        let Self {
            process,
            paths,
            agent,
            ..
        } = self;
        agent.wait_ready(deadline, || match given_up() {
            true => Err(GuestVmError::GivenUp),
            false => check_alive(process, paths),
        })
    }

    /// Waits until QEMU has made this file.
    pub(super) fn wait_until_exists(&mut self, path: &Path) -> Result<()> {
        let deadline = Deadline::after(CONNECT_LIMIT);
        while !path.exists() {
            wait_a_moment(path, &mut self.process, &self.paths, deadline)?;
        }
        Ok(())
    }
}

/// Connects to a socket that this QEMU is about to make.
pub(super) fn connect(
    path: &Path,
    process: &mut Process,
    paths: &Paths,
    deadline: Deadline,
) -> Result<UnixStream> {
    loop {
        if let Ok(stream) = UnixStream::connect(path) {
            return Ok(stream);
        }
        wait_a_moment(path, process, paths, deadline)?;
    }
}

fn wait_a_moment(
    path: &Path,
    process: &mut Process,
    paths: &Paths,
    deadline: Deadline,
) -> Result<()> {
    check_alive(process, paths)?;
    deadline.check(&path.to_string_lossy())?;
    thread::sleep(Duration::from_millis(10));
    Ok(())
}

/// `error` with what QEMU and the guest said; where the guest hung up, with how QEMU ended.
pub(crate) fn explained(error: GuestVmError, process: &mut Process, paths: &Paths) -> GuestVmError {
    if let GuestVmError::HungUp { .. } = error {
        // Its sockets are closed before it can be waited for.
        let deadline = Deadline::after(CONNECT_LIMIT);
        while deadline.check("QEMU's end").is_ok() {
            if let Err(ended) = check_alive(process, paths) {
                return ended;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    error.with_log(&paths.tail())
}

/// An error with what QEMU said, if it has ended.
pub(crate) fn check_alive(process: &mut Process, paths: &Paths) -> Result<()> {
    match process.exit_status() {
        None => Ok(()),
        Some(status) => Err(GuestVmError::QemuEnded {
            status: describe(status),
            log: paths.tail(),
        }),
    }
}
