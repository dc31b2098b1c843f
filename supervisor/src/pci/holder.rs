//! Which process has a device open.

use super::Sysfs;
use std::path::Path;

/// The first one that has `device` (such as `/dev/vfio/12`) open, by number and name, as far as this
/// process may look.
pub(super) fn of(sysfs: &Sysfs, device: &str) -> Option<(i32, String)> {
    let pids = sysfs.names("proc").into_iter();
    let mut pids = pids.filter_map(|name| name.parse::<i32>().ok());
    let pid = pids.find(|pid| has_open(sysfs, *pid, device))?;
    let name = sysfs.read(&format!("proc/{pid}/comm"));
    Some((pid, name.unwrap_or_default()))
}

fn has_open(sysfs: &Sysfs, pid: i32, device: &str) -> bool {
    let fds = format!("proc/{pid}/fd");
    sysfs
        .names(&fds)
        .iter()
        .any(|fd| sysfs.link(&format!("{fds}/{fd}")).as_deref() == Some(Path::new(device)))
}

#[cfg(test)]
mod tests {
    use super::super::Fake;
    use super::*;
    use std::fs::File;

    #[test]
    fn the_process_is_named() {
        let fake = Fake::new();
        fake.file("proc/17/comm", "qemu\n");
        fake.link("proc/17/fd/3", "/dev/null");
        fake.file("proc/18/comm", "testpmd\n");
        fake.link("proc/18/fd/4", "/dev/vfio/12");
        let sysfs = fake.sysfs();
        assert_eq!(of(&sysfs, "/dev/vfio/12"), Some((18, "testpmd".into())));
        assert_eq!(of(&sysfs, "/dev/vfio/1"), None);
    }

    #[test]
    fn this_process_is_found_by_a_file_that_it_has_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device");
        let file = File::create(&path).unwrap();
        let me = nix::unistd::getpid().as_raw();
        let found = of(&Sysfs::host(), path.to_str().unwrap());
        assert_eq!(found.map(|(pid, _)| pid), Some(me));
        drop(file);
        assert_eq!(of(&Sysfs::host(), path.to_str().unwrap()), None);
    }
}
