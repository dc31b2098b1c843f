//! Child processes that never outlive the test.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{GuestVmError, Result};

/// A program in a process group of its own. Dropped, or when the *thread* that started it ends, it
/// is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` with stdout and stderr in the file `log`. Its stdin stays open and empty.
    pub fn start<S: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
        log: &Path,
    ) -> Result<Process> {
        let output = File::create(log).map_err(GuestVmError::file(log))?;
        let errors = output.try_clone().map_err(GuestVmError::file(log))?;
        let mut command = tied_to_this_thread(program);
        command.args(arguments).stdout(output).stderr(errors);
        Process::spawn(command)
    }

    /// Starts `command`, made by [`tied_to_this_thread`], as it is but for stdin.
    pub(super) fn spawn(mut command: Command) -> Result<Process> {
        let child = command
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| start_error(&command, source))?;
        Ok(Process { child })
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills it with its process group, if it still runs, and waits for its end.
    pub fn kill(&mut self) {
        if self.exit_status().is_none() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    /// Only before its end was waited for: afterwards the number may be another group's.
    pub(super) fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// Waits for its end and gives what it wrote to stdout, if that was a pipe.
    pub(super) fn take_output(mut self) -> Result<(ExitStatus, String)> {
        let mut output = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            std::io::Read::read_to_string(&mut stdout, &mut output)
                .map_err(GuestVmError::file("stdout"))?;
        }
        let status = self.child.wait().map_err(GuestVmError::file("child"))?;
        Ok((status, output))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `program`, to be killed by the kernel when the calling thread ends.
pub(super) fn tied_to_this_thread(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Runs `command` and gives its stdout; a failure is an error with what it printed.
pub(crate) fn run_to_end(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| start_error(command, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(GuestVmError::Failed {
        program: spelled(command),
        status: describe(output.status),
        output: said,
    })
}

/// Exit status or signal in words.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}

fn start_error(command: &Command, source: std::io::Error) -> GuestVmError {
    GuestVmError::Start {
        program: spelled(command),
        source,
    }
}

fn spelled(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
