use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::arguments::arguments;
use super::{lost_event, shell};
use crate::guest_vm::agent::{Agent, Deadline};
use crate::guest_vm::qemu::Paths;
use crate::guest_vm::started::{StartedQemu, check_alive, explained};
use crate::guest_vm::{
    Artifacts, CommandOutcome, GuestVmError, Process, QEMU_VARIABLE, QemuVersion, Result,
};
use crate::terminal::Interrupt;

/// Twenty seconds on a quiet host.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// The machine's name of [`NicMachine::share`].
const SHARE: &str = "/run/share";
const OUTPUT: &str = "output";
/// The first QEMU with `igb`.
const OLDEST: QemuVersion = QemuVersion {
    major: 8,
    minor: 0,
    micro: 0,
};

/// A running machine. Dropped, or when the *thread* that booted it ends, it is killed and all that was
/// in it is gone.
#[derive(Debug)]
pub struct NicMachine {
    process: Process,
    paths: Paths,
    agent: Agent,
    interrupt: Interrupt,
    dir: TempDir,
}

/// Is told what a program writes while it runs, piece by piece.
pub type Told<'a> = &'a mut dyn FnMut(&str);

impl NicMachine {
    /// Boots it and waits until it runs programs. It is given up when `interrupt` is raised, now and
    /// while a program runs.
    ///
    /// # Errors
    /// What is missing on the host, or what QEMU and the machine last said.
    pub fn boot(interrupt: &Interrupt) -> Result<NicMachine> {
        let artifacts = Artifacts::prepare()?;
        let qemu = qemu()?;
        let dir = tempfile::Builder::new().prefix("vswsup-nics-").tempdir();
        let dir = dir.map_err(GuestVmError::file("a temporary folder"))?;
        let share = dir.path().join("share");
        std::fs::create_dir(&share).map_err(GuestVmError::file(&share))?;
        let paths = Paths::below(dir.path())?;
        let arguments = arguments(&artifacts, &paths, &share);
        let mut started = StartedQemu::start(&qemu, arguments, paths)?;
        started
            .wait_ready(Deadline::after(BOOT_LIMIT), || interrupt.raised())
            .map_err(|error| error.with_log(&started.paths.tail()))?;
        Ok(NicMachine {
            process: started.process,
            paths: started.paths,
            agent: started.agent,
            interrupt: interrupt.clone(),
            dir,
        })
    }

    /// Runs a program inside: `command` tells program, arguments, variables and folder, all as they are
    /// on the host, and nothing else of it counts. Variables of the host are not passed on. After `limit`
    /// the program and all that it started are killed.
    ///
    /// Gives its exit status, 137 if it was killed, and what it wrote, which `told` hears while it runs.
    ///
    /// # Errors
    /// When it cannot be run at all, or when Ctrl-C came. After one of
    /// [QEMU's own](GuestVmError::is_qemus) the machine is of no use any more.
    pub fn run(
        &mut self,
        command: &Command,
        limit: Duration,
        told: Told<'_>,
    ) -> Result<CommandOutcome> {
        let text = shell::text(command, &format!("{SHARE}/{OUTPUT}"));
        let mut output = Output::new(self.share().join(OUTPUT))?;
        let Self {
            process,
            paths,
            agent,
            interrupt,
            ..
        } = self;
        let outcome = agent.run_while(&text, limit, || {
            output.pass_on(told)?;
            match interrupt.raised() {
                true => Err(GuestVmError::GivenUp),
                false => check_alive(process, paths).and_then(|()| check_events(paths)),
            }
        });
        let outcome = outcome.map_err(|error| explained(error, process, paths))?;
        output.pass_on(told)?;
        // What the shell itself said: that there is no such folder, or no such program.
        Ok(CommandOutcome {
            status: outcome.status,
            output: output.text + &outcome.output,
        })
    }

    /// The folder that the machine sees as `/run/share`, and can write to.
    pub fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    /// The end of QEMU's messages and of the machine's console.
    pub fn log_tail(&self) -> String {
        self.paths.tail()
    }
}

/// From [`QEMU_VARIABLE`] or `PATH`, if it is new enough.
fn qemu() -> Result<PathBuf> {
    let qemu = std::env::var_os(QEMU_VARIABLE).unwrap_or_else(|| "qemu-system-x86_64".into());
    let qemu = PathBuf::from(qemu);
    let version = QemuVersion::of(&qemu)?;
    if version >= OLDEST {
        return Ok(qemu);
    }
    Err(GuestVmError::TooOld {
        version: version.to_string(),
        device: "igb",
    })
}

fn check_events(paths: &Paths) -> Result<()> {
    let console = std::fs::read(&paths.console).unwrap_or_default();
    match lost_event::find(&String::from_utf8_lossy(&console)) {
        None => Ok(()),
        Some(line) => Err(GuestVmError::LostEvent(line.to_owned())),
    }
}

/// What a program has written so far.
struct Output {
    file: File,
    path: PathBuf,
    text: String,
}

impl Output {
    fn new(path: PathBuf) -> Result<Self> {
        File::create(&path).map_err(GuestVmError::file(&path))?;
        Ok(Self {
            file: File::open(&path).map_err(GuestVmError::file(&path))?,
            text: String::new(),
            path,
        })
    }

    fn pass_on(&mut self, told: &mut dyn FnMut(&str)) -> Result<()> {
        let mut news = Vec::new();
        let read = self.file.read_to_end(&mut news);
        read.map_err(GuestVmError::file(&self.path))?;
        if !news.is_empty() {
            let news = String::from_utf8_lossy(&news);
            told(&news);
            self.text += &news;
        }
        Ok(())
    }
}
