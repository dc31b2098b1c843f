//! Which processes are instances, written where the next supervisor finds it.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use vhost_transfer::InstanceId;

/// A process that a supervisor before this one has started.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) instance: InstanceId,
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
}

/// Writes down that `pid` is `instance`.
///
/// # Errors
/// Those of the file.
pub(super) fn enter(runtime_dir: &Path, instance: InstanceId, pid: Pid) -> io::Result<()> {
    let started = started_at(pid)?;
    let path = file(runtime_dir, instance);
    let draft = path.with_extension("draft");
    fs::write(&draft, format!("{pid} {started}\n"))?;
    fs::rename(draft, path)
}

/// The instance is no more.
pub(super) fn strike(runtime_dir: &Path, instance: InstanceId) {
    // What is left names a process that is gone.
    let _ = fs::remove_file(file(runtime_dir, instance));
}

/// The instances that a supervisor before this one has left.
pub(super) fn orphans(runtime_dir: &Path) -> Vec<Orphan> {
    let both = InstanceId::BOTH.into_iter();
    both.filter_map(|instance| orphan(runtime_dir, instance))
        .collect()
}

/// The process that was written down, if it still is that one: its number may be another's by now,
/// so the time of its start is compared after the pidfd holds it.
fn orphan(runtime_dir: &Path, instance: InstanceId) -> Option<Orphan> {
    let line = fs::read_to_string(file(runtime_dir, instance)).ok()?;
    let (pid, started) = line.trim_end().split_once(' ')?;
    let pid = Pid::from_raw(pid.parse().ok()?)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    (started_at(pid).ok()?.to_string() == started).then_some(Orphan {
        instance,
        pid,
        pidfd,
    })
}

/// When a process was started, clock ticks after boot: field 22 of /proc/PID/stat (proc_pid_stat(5)).
/// The second field, in parentheses, may contain anything.
fn started_at(pid: Pid) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_whitespace().nth(19));
    field
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| Errno::PROTO.into())
}

fn file(runtime_dir: &Path, instance: InstanceId) -> PathBuf {
    runtime_dir.join(format!("instance-{instance}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_the_very_process_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        enter(directory.path(), InstanceId::B, pid).unwrap();
        let found = orphans(directory.path());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].instance, found[0].pid), (InstanceId::B, pid));

        fs::write(file(directory.path(), InstanceId::A), format!("{pid} 1\n")).unwrap();
        assert_eq!(orphans(directory.path()).len(), 1);

        child.kill().unwrap();
        child.wait().unwrap();
        assert!(orphans(directory.path()).is_empty());
        strike(directory.path(), InstanceId::B);
        assert!(!file(directory.path(), InstanceId::B).exists());
    }

    #[test]
    fn nonsense_is_no_process() {
        let directory = tempfile::tempdir().unwrap();
        for nonsense in ["", "1", "x y", "-1 5", "99999999 5", "0 0"] {
            fs::write(file(directory.path(), InstanceId::A), nonsense).unwrap();
            assert!(orphans(directory.path()).is_empty(), "{nonsense}");
        }
    }
}
