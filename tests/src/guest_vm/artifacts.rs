use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::run_to_end;
use super::{GuestVmError, Result};

/// What a guest boots, and the ping program for the host: made once, kept below the target directory.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// Debian kernel image.
    pub kernel: PathBuf,
    /// Busybox, modules, agent and ping program.
    pub initramfs: PathBuf,
    /// `gapping`, the ping program of `tests/guest/gapping.c`.
    pub gapping: PathBuf,
}

impl Artifacts {
    /// Makes what is missing with `tests/guest/prepare`; the first time it downloads a kernel package.
    pub fn prepare() -> Result<Artifacts> {
        let cache = cache_directory();
        std::fs::create_dir_all(&cache).map_err(GuestVmError::file(&cache))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/prepare");
        run_to_end(Command::new(script).arg(&cache))?;
        Ok(Artifacts {
            kernel: cache.join("vmlinuz"),
            initramfs: cache.join("initramfs.cpio"),
            gapping: cache.join("gapping"),
        })
    }
}

/// `guest-vm` in cargo's target directory.
fn cache_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("guest-vm")
}
