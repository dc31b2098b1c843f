//! The log: plain lines on stderr, which the service manager stamps and keeps.

use std::fmt::Arguments;
use std::io::Write;

/// One line. That nobody reads it is no reason to stop.
pub(super) fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "vswsup: {line}");
}
