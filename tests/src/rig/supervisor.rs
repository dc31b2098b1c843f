//! The supervisor's process, and its command line as an operator uses it.

use super::Programs;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Name of the file that tells `vswitch-faults` how to fail.
pub(super) const FAULTS: &str = "faults";
const LOG: &str = "vswsup.log";
/// How long an orderly end may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A supervisor.
#[derive(Debug)]
pub struct Supervisor {
    child: Child,
    vswsup: PathBuf,
    config: PathBuf,
    dir: PathBuf,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct CommandOutcome {
    /// Exit status.
    pub status: ExitStatus,
    /// Data.
    pub stdout: String,
    /// Messages.
    pub stderr: String,
}

impl CommandOutcome {
    /// Its standard output as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> io::Result<serde_json::Value> {
        let whole = || {
            format!(
                "no JSON: {:?}, {}, {:?}",
                self.stdout, self.status, self.stderr
            )
        };
        serde_json::from_str(&self.stdout).map_err(|_| io::Error::other(whole()))
    }
}

impl Supervisor {
    /// Starts `vswsup run`; it dies with the calling thread.
    pub(super) fn start(programs: &Programs, config: &Path, dir: &Path) -> io::Result<Self> {
        Ok(Self {
            child: spawn(&programs.vswsup, config, dir, |_| {})?,
            vswsup: programs.vswsup.clone(),
            config: config.to_owned(),
            dir: dir.to_owned(),
        })
    }

    /// Ends it in an orderly way and starts it again, as `systemctl restart` does.
    ///
    /// # Errors
    /// As [`Self::stop`], and when it cannot be started.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Kills it at once; the instances go on without it.
    ///
    /// # Errors
    /// Those of kill(2) and wait(2).
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.start_again_as(|_| {})
    }

    /// As above, in an environment that `change` makes another.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_again_as(&mut self, change: impl FnOnce(&mut Command)) -> io::Result<()> {
        self.child = spawn(&self.vswsup, &self.config, &self.dir, change)?;
        Ok(())
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::other(format!(
            "the supervisor did not end within {limit:?}; it said:\n{}",
            self.log()
        )))
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Runs `vswsup` with `arguments` against it.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub fn command(&self, arguments: &[&str]) -> io::Result<CommandOutcome> {
        let output = Command::new(&self.vswsup)
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .output()?;
        Ok(CommandOutcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts `vswsup` with `arguments` against it, with pipes for what it says.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start_command(&self, arguments: &[&str]) -> io::Result<Child> {
        Command::new(&self.vswsup)
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// `vswsup status --json`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn status(&self) -> io::Result<serde_json::Value> {
        self.command(&["status", "--json"])?.json()
    }

    /// Waits until the standby is ready.
    ///
    /// # Errors
    /// With the supervisor's log, when that takes longer than `limit`.
    pub fn wait_for_spare(&self, limit: Duration) -> io::Result<()> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if self.status().is_ok_and(|status| status["spare"] == true) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other(format!(
            "no spare after {limit:?}; the supervisor said:\n{}",
            self.log()
        )))
    }

    /// What it and the instances wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join(LOG)).unwrap_or_default()
    }

    /// Where its configuration is.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(self.pid(), Signal::SIGTERM)?;
        let ended = self.wait_for_end(PATIENCE);
        if ended.is_err() {
            self.kill()?;
        }
        ended
    }
}

/// Starts `vswsup run`; what it says is appended to the log in `dir`.
fn spawn(
    vswsup: &Path,
    config: &Path,
    dir: &Path,
    change: impl FnOnce(&mut Command),
) -> io::Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join(LOG))?;
    let mut command = Command::new(vswsup);
    command
        .arg("run")
        .arg("--config")
        .arg(config)
        .env("VSWITCH_FAULTS", dir.join(FAULTS));
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0); // Ctrl-C is for who started the rig, who then stops it.
    // SAFETY: prctl(2) is async-signal-safe, and nothing else is done between fork and exec.
    unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGTERM)?)) };
    change(&mut command);
    command.spawn()
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error}");
        }
        kill_orphans(&super::runtime_dir(&self.dir));
    }
}

/// Instances outlive a supervisor that was killed, and must not outlive the rig.
fn kill_orphans(runtime_dir: &Path) {
    for instance in ["instance-a", "instance-b"] {
        let line = std::fs::read_to_string(runtime_dir.join(instance)).unwrap_or_default();
        if let Some(Ok(pid)) = line.split_whitespace().next().map(str::parse) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL); // it may have ended
        }
    }
}
