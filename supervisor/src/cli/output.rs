//! Data goes to stdout, messages to stderr.

use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

/// Writes data. A reader that has gone (`| head`) has seen enough.
pub(super) fn data(text: &str) {
    let _ = stream(text);
}

/// Writes data of which there will be more: whoever writes it wants to know when nobody reads it.
pub(super) fn stream(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes data as JSON.
pub(super) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => data(&format!("{text}\n")),
        Err(error) => message(format!("this cannot be written as JSON: {error}")),
    }
}

/// Writes data as one line of JSON.
pub(super) fn json_line<T: Serialize>(value: &T) -> io::Result<()> {
    let text = serde_json::to_string(value)?;
    stream(&format!("{text}\n"))
}

/// Writes data as JSON if that is wanted, and as text otherwise.
pub(super) fn either<T: Serialize>(as_json: bool, value: &T, text: impl FnOnce(&T) -> String) {
    if as_json {
        json(value);
    } else {
        data(&text(value));
    }
}

/// Says something to the user, in one write.
pub(super) fn message(text: impl Display) {
    let line = format!("vswsup: {text}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
