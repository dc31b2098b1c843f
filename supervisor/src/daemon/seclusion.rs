//! A process that does not see the devices of others.
//!
//! vfio itself gives a group to one process at a time, and a device reaches only the memory that its
//! own process has mapped for it. This keeps an instance from taking, by mistake, a group that is
//! free for the moment. An instance that runs as root could undo it.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// What a hidden device is instead.
const NOTHING: &CStr = c"/dev/null";

/// The process that `command` starts has mounts of its own, in which `hidden` devices are like
/// `/dev/null`. What is mounted on the host later is mounted there, too.
pub(super) fn hide(command: &mut Command, hidden: &[PathBuf]) {
    let hidden: Vec<_> = hidden
        .iter()
        .filter_map(|path| CString::new(path.as_os_str().as_bytes()).ok())
        .collect();
    if hidden.is_empty() {
        return;
    }
    let seclude = move || seclude(&hidden).map_err(io::Error::from);
    // SAFETY: between fork and exec it makes system calls alone: it neither allocates nor takes a
    // lock, and the paths are made before.
    unsafe { command.pre_exec(seclude) };
}

fn seclude(hidden: &[CString]) -> nix::Result<()> {
    let none: Option<&CStr> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, c"/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
    hidden.iter().try_for_each(|device| {
        mount(
            Some(NOTHING),
            device.as_c_str(),
            none,
            MsFlags::MS_BIND,
            none,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs root, for the mounts.
    #[test]
    fn what_is_hidden_is_hidden_from_the_child_alone() {
        let directory = tempfile::tempdir().unwrap();
        let [own, other] = ["own", "other"].map(|name| directory.path().join(name));
        for file in [&own, &other] {
            std::fs::write(file, "device\n").unwrap();
        }
        let read = |hidden: &[PathBuf]| {
            let mut command = Command::new("cat");
            command.args([&own, &other]);
            hide(&mut command, hidden);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        assert_eq!(read(&[]), "device\ndevice\n");
        assert_eq!(read(std::slice::from_ref(&other)), "device\n");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "device\n");
    }

    #[test]
    fn what_cannot_be_hidden_is_not_started() {
        let mut command = Command::new("true");
        hide(&mut command, &[PathBuf::from("/not/here")]);
        assert!(command.status().is_err());
    }
}
