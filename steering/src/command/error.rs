//! What can go wrong in the backend `command`.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// The operator's program failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The path depends on where the supervisor was started.
    #[error("steering.program: `{}` is not an absolute path; write one", program.display())]
    Relative {
        /// The program.
        program: PathBuf,
    },
    /// It did not start.
    #[error(
        "steering.program: `{}` cannot be started: {source}; it must exist and be executable",
        program.display()
    )]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its output or its end could not be waited for.
    #[error("could not wait for `{call}`: {source}; it was killed")]
    Wait {
        /// The program and its arguments.
        call: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error(
        "`{call}` did not end within {} (steering.timeout) and was killed{}",
        humantime::format_duration(*limit),
        said(stderr)
    )]
    Timeout {
        /// The program and its arguments.
        call: String,
        /// The limit.
        limit: Duration,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// It said no, or died.
    #[error("`{call}` failed: {status}{}", said(stderr))]
    Failed {
        /// The program and its arguments.
        call: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to stderr.
        stderr: String,
    },
    /// It answered something else than a side.
    #[error("`{} current` printed `{answer}`; it must print a, b or none", program.display())]
    Answer {
        /// The program.
        program: PathBuf,
        /// What it printed.
        answer: String,
    },
}

fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => "; it wrote nothing to stderr".to_owned(),
        text => format!("; it wrote: {text}"),
    }
}
