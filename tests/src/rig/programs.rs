//! The programs under test, and what the machine must have.

use std::io;
use std::path::{Path, PathBuf};

/// Something that a test needs and this machine does not have.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// Namespaces and DPDK want it.
    #[error("this needs root: network namespaces, eBPF and DPDK's memory do not work without")]
    Root,
    /// Not built.
    #[error("the program {0} is not built: run `make build`")]
    Program(&'static str),
}

impl From<Missing> for io::Error {
    fn from(missing: Missing) -> Self {
        Self::other(missing)
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The supervisor and its command line.
    pub vswsup: PathBuf,
    /// An instance.
    pub vswitch: PathBuf,
    /// An instance that can be told to fail.
    pub vswitch_faults: PathBuf,
}

impl Programs {
    /// Those of the build that the running program belongs to.
    ///
    /// # Errors
    /// [`Missing::Program`].
    pub fn find() -> io::Result<Self> {
        let here = std::env::current_exe()?;
        let beside = |name| {
            here.ancestors()
                .skip(1)
                .take(3)
                .map(|dir: &Path| dir.join(name))
                .find(|path| path.is_file())
        };
        let need = |name| beside(name).ok_or(Missing::Program(name));
        Ok(Self {
            vswsup: need("vswsup")?,
            vswitch: need("vswitch")?,
            vswitch_faults: need("vswitch-faults")?,
        })
    }
}

/// # Errors
/// [`Missing::Root`].
pub fn require_root() -> Result<(), Missing> {
    if nix::unistd::geteuid().is_root() {
        Ok(())
    } else {
        Err(Missing::Root)
    }
}

/// Whether so many MiB of hugepages are free.
pub(super) fn hugepages_for(mib: u64) -> bool {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    field("HugePages_Free:") * field("Hugepagesize:") / 1024 >= mib
}
