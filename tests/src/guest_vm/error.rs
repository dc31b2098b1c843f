use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the rig could not do what it was asked. The text says what to do about it.
#[derive(thiserror::Error)]
pub enum GuestVmError {
    /// A program could not be started, most often because its package is missing.
    #[error("cannot start {program}: {source}; run scripts/install-packages")]
    Start {
        /// The program as it was called.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} failed ({status}): {output}")]
    Failed {
        /// The program as it was called.
        program: String,
        /// Exit status or signal.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A file or socket of the rig could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A unix socket path that the kernel would refuse.
    #[error("{} is longer than {limit} bytes: choose a shorter work directory", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Longest path that fits a `sockaddr_un`.
        limit: usize,
    },
    /// A QEMU without the devices that are wanted.
    #[error("QEMU {version} has no {device}: run tests/guest/install-qemu-backports")]
    TooOld {
        /// The QEMU that was found.
        version: String,
        /// What it lacks.
        device: &'static str,
    },
    /// QEMU ended by itself.
    #[error("QEMU ended ({status}): {log}")]
    QemuEnded {
        /// Exit status or signal.
        status: String,
        /// The end of QEMU's messages and of the guest's console.
        log: String,
    },
    /// A virtual CPU or device sleeps, and nothing wakes it.
    #[error("QEMU has lost an event of the machine, whose kernel says: {0}")]
    LostEvent(String),
    /// Nobody waits for the guest any more.
    #[error("the guest was given up")]
    GivenUp,
    /// Something did not come in time.
    #[error("{what} did not come within {limit:?}: {log}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// The end of QEMU's messages and of the guest's console, where known.
        log: String,
    },
    /// The channel to the guest was closed, as it is when QEMU ends.
    #[error("the guest hung up: {log}")]
    HungUp {
        /// The end of QEMU's messages and of the guest's console, where known.
        log: String,
    },
    /// QEMU or the guest answered something that is not in the protocol.
    #[error("{peer} answered out of protocol: {answer}")]
    Protocol {
        /// `QEMU` or `the guest`.
        peer: &'static str,
        /// What it said.
        answer: String,
    },
    /// QEMU refused a QMP command.
    #[error("QEMU refused {command}: {reason}")]
    Refused {
        /// The QMP command.
        command: String,
        /// QEMU's words.
        reason: String,
    },
    /// A command in the guest ended with a failure.
    #[error("`{command}` ended with status {status} in the guest: {output}")]
    Command {
        /// The shell text.
        command: String,
        /// Its exit status; 137 means that it exceeded its time limit.
        status: i32,
        /// Its stdout and stderr.
        output: String,
    },
}

/// As [`fmt::Display`](std::fmt::Display), so that a failed `expect` shows the logs with their lines.
impl std::fmt::Debug for GuestVmError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl GuestVmError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Whether QEMU failed, and not what ran in the guest.
    pub fn is_qemus(&self) -> bool {
        matches!(self, Self::QemuEnded { .. } | Self::LostEvent(_))
    }

    /// The same, and where the guest does not answer, with what QEMU and the guest last said.
    pub(crate) fn with_log(mut self, tail: &str) -> Self {
        if let Self::TimedOut { log, .. } | Self::HungUp { log } = &mut self {
            log.push_str(tail);
        }
        self
    }
}

/// Result of the rig.
pub type Result<T, E = GuestVmError> = std::result::Result<T, E>;
