use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::run_to_end;
use super::{GuestVmError, Result};

/// What a guest boots, and the ping program for the host: made once, kept below the target directory.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// Debian's kernel, not compressed.
    pub kernel: PathBuf,
    /// Busybox, modules, agent and ping program.
    pub initramfs: PathBuf,
    /// The same for the machine with NICs, whose root is the host's.
    pub nics_initramfs: PathBuf,
    /// The kernel's other modules, as below `/lib/modules`.
    pub modules: PathBuf,
    /// `gapping`, the ping program of `tests/guest/gapping.c`.
    pub gapping: PathBuf,
}

impl Artifacts {
    /// Makes what is missing with `tests/guest/prepare`. The first time it downloads a kernel package,
    /// so it runs in the network namespace of the process's first thread, whatever the caller's is.
    pub fn prepare() -> Result<Artifacts> {
        let cache = make("prepare")?;
        Ok(Artifacts {
            kernel: cache.join("vmlinux"),
            initramfs: cache.join("initramfs.cpio"),
            nics_initramfs: cache.join("initramfs-nics.cpio"),
            modules: resolved(&cache.join("modules"))?,
            gapping: cache.join("gapping"),
        })
    }

    /// Adds netdevsim to the modules, with `tests/guest/netdevsim`: the first time it downloads its source.
    pub fn add_netdevsim() -> Result<()> {
        make("netdevsim").map(drop)
    }
}

/// Runs a script of `tests/guest` on the folder of what is made.
fn make(script: &str) -> Result<PathBuf> {
    let cache = cache_directory();
    std::fs::create_dir_all(&cache).map_err(GuestVmError::file(&cache))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
    run_to_end(in_first_namespace(folder.join(script))?.arg(&cache))?;
    Ok(cache)
}

fn resolved(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(GuestVmError::file(path))
}

fn in_first_namespace(program: PathBuf) -> Result<Command> {
    let first = format!("/proc/{}/ns/net", std::process::id());
    if namespace(&first)? == namespace("/proc/thread-self/ns/net")? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={first}")).arg(program);
    Ok(command)
}

fn namespace(link: &str) -> Result<PathBuf> {
    std::fs::read_link(link).map_err(GuestVmError::file(link))
}

/// `guest-vm` in cargo's target directory.
fn cache_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("guest-vm")
}
