//! The log: plain lines on stderr, which the service manager stamps and keeps.

use std::fmt::Arguments;
use std::io::Write;

/// One line, in one write: the instances say theirs into the same file. That nobody reads it is no
/// reason to stop.
pub(super) fn say(line: Arguments<'_>) {
    let line = format!("vswsup: {line}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
