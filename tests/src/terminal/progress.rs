//! What a program is at, for who waits: one line that changes on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write, stderr};

/// Says it on standard error.
#[derive(Debug)]
pub struct Progress {
    program: &'static str,
    terminal: bool,
}

impl Progress {
    /// Of `program`.
    pub fn on_stderr(program: &'static str) -> Self {
        Self {
            program,
            terminal: stderr().is_terminal(),
        }
    }

    /// What happens now.
    pub fn say(&self, what: &str) {
        self.write(&match self.terminal {
            true => format!("\r\x1b[K{what}"),
            false => format!("{}: {what}\n", self.program),
        });
    }

    /// One of `of` has ended.
    pub fn count(&self, what: &str, done: u32, of: u32) {
        match self.terminal {
            true => self.say(&format!("{what} {done} of {of}  {}", bar(done, of))),
            false => self.say(&format!("{what} {done} of {of}")),
        }
    }

    /// Something that stays to be read.
    pub fn note(&self, what: &str) {
        self.end();
        self.write(&format!("{}: {what}\n", self.program));
    }

    /// Leaves an empty line for others.
    pub fn end(&self) {
        if self.terminal {
            self.write("\r\x1b[K");
        }
    }

    /// Nobody is told when nobody can be told.
    fn write(&self, text: &str) {
        let _ = stderr().write_all(text.as_bytes());
    }
}

fn bar(done: u32, of: u32) -> String {
    const WIDTH: usize = 30;
    let full = (WIDTH as u64 * u64::from(done) / u64::from(of.max(1))) as usize;
    format!(
        "{}{}",
        "█".repeat(full.min(WIDTH)),
        "░".repeat(WIDTH - full.min(WIDTH))
    )
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_always_has_the_same_width() {
        for done in 0..=7 {
            assert_eq!(bar(done, 7).chars().count(), 30);
        }
        assert_eq!(bar(7, 7), "█".repeat(30));
        assert_eq!(bar(0, 0), "░".repeat(30));
    }
}
