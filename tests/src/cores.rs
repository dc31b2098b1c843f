//! Core dumps go into a folder of their own, and the machine's setting is given back.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::path::PathBuf;
use tempfile::TempDir;

const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Core dumps of all processes that start while this lives are written, and deleted with it.
#[derive(Debug)]
pub struct Cores {
    dir: TempDir,
    pattern: String,
    limit: (u64, u64),
}

impl Cores {
    /// Changes the machine's setting, and this process's limit, which its children inherit.
    ///
    /// # Errors
    /// Those of the file and of setrlimit(2).
    pub fn collect() -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("vswsup-cores-").tempdir()?;
        let limit = getrlimit(Resource::RLIMIT_CORE)?;
        let pattern = fs::read_to_string(PATTERN)?;
        let cores = Self {
            dir,
            pattern,
            limit,
        };
        fs::write(
            PATTERN,
            cores
                .dir
                .path()
                .join("core.%p")
                .as_os_str()
                .as_encoded_bytes(),
        )?;
        setrlimit(Resource::RLIMIT_CORE, limit.1, limit.1)?;
        Ok(cores)
    }

    /// Where the core of this process is, or will be.
    pub fn file_of(&self, process: Pid) -> PathBuf {
        self.dir.path().join(format!("core.{process}"))
    }

    /// Deletes what was written; how many cores with something in them.
    ///
    /// # Errors
    /// Those of reading and writing the folder.
    pub fn take(&self) -> io::Result<u64> {
        let mut taken = 0;
        for entry in fs::read_dir(self.dir.path())? {
            let entry = entry?;
            taken += u64::from(entry.metadata()?.len() > 0);
            fs::remove_file(entry.path())?;
        }
        Ok(taken)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        if let Err(error) = fs::write(PATTERN, self.pattern.trim_end()) {
            eprintln!(
                "{PATTERN} was {} and cannot be given back: {error}",
                self.pattern
            );
        }
        // A limit may always be made smaller again.
        let _ = setrlimit(Resource::RLIMIT_CORE, self.limit.0, self.limit.1);
    }
}
