//! What the demo is at, for who waits: one line that changes on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write, stderr};

/// Says it on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(super) fn on_stderr() -> Self {
        Self {
            terminal: stderr().is_terminal(),
        }
    }

    /// What happens now.
    pub(super) fn say(&self, what: &str) {
        self.write(&match self.terminal {
            true => format!("\r\x1b[K{what}"),
            false => format!("demo-vm: {what}\n"),
        });
    }

    /// Leaves an empty line for others.
    pub(super) fn end(&self) {
        if self.terminal {
            self.write("\r\x1b[K");
        }
    }

    /// Nobody is told when nobody can be told.
    fn write(&self, text: &str) {
        let _ = stderr().write_all(text.as_bytes());
    }
}
