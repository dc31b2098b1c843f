//! The command line of the programs `vswitch` and `vswitch-faults`.

use std::fmt::Display;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;

const USAGE: &str = "usage: vswitch --lifeline-fd N\nvswsup starts it; it is of no use by itself.";

/// `vswitch --lifeline-fd N`: one instance, started and told what to do by `vswsup`.
pub fn main() -> ExitCode {
    let Some(lifeline) = lifeline_from_args(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    die_of_panics();
    match crate::control::run(lifeline) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("vswitch: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// In one write, for others say things into the same file. That nobody reads it is no reason to panic.
pub(crate) fn say(what: impl Display) {
    let _ = std::io::stderr().write_all(format!("{what}\n").as_bytes());
}

/// A thread that panics leaves what it worked on half done: the process dies at once, by a signal
/// that makes the lanes change hands.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

fn lifeline_from_args(mut args: impl Iterator<Item = String>) -> Option<OwnedFd> {
    let (flag, number) = (args.next()?, args.next()?);
    let fd: RawFd = number.parse().ok().filter(|&fd| fd > libc::STDERR_FILENO)?;
    let socket =
        std::fs::metadata(format!("/proc/self/fd/{fd}")).is_ok_and(|fd| fd.file_type().is_socket());
    // SAFETY: an open socket that the supervisor gave to this process; nothing else here knows its number.
    (flag == "--lifeline-fd" && socket).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}
