//! What keeps a NIC from giving an instance anything, while all links stay as they are.

use std::io;
use std::process::Command;

/// Something that is done to the NIC, and undone.
#[derive(Clone, Debug)]
pub struct Mishap {
    begin: String,
    end: String,
}

impl Mishap {
    /// By shell commands.
    pub(super) fn new(begin: String, end: String) -> Self {
        Self { begin, end }
    }

    /// It happens.
    ///
    /// # Errors
    /// What the command said.
    pub fn begin(&self) -> io::Result<()> {
        shell(&self.begin)
    }

    /// It is over.
    ///
    /// # Errors
    /// As above.
    pub fn end(&self) -> io::Result<()> {
        shell(&self.end)
    }
}

fn shell(text: &str) -> io::Result<()> {
    let outcome = Command::new("sh").args(["-ec", text]).output()?;
    if outcome.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    Err(io::Error::other(format!("{text}: {said}")))
}
