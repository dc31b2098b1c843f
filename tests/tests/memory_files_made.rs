//! How memory files are made and whose they are, without any instance.

use nix::mount::{MsFlags, mount, umount};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::fs;
use std::num::NonZero;
use std::path::Path;
use tempfile::TempDir;
use vhost_transfer::InstanceId::{A, B};
use vswsup::Config;
use vswsup::memory_files::{MemoryFileError as Error, MemoryFiles};
use vswsup_tests::rig::{Hugepages, require_root};

const PAGE: u64 = 2 << 20;

/// A hugetlbfs with room for 16 MiB, and configurations whose files are there.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        require_root().unwrap();
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir(host.hugetlbfs()).unwrap();
        let (none, options) = (Some("none"), Some("mode=0700,pagesize=2M,size=16M"));
        mount(
            none,
            &host.hugetlbfs(),
            Some("hugetlbfs"),
            MsFlags::empty(),
            options,
        )
        .unwrap();
        host
    }

    fn hugetlbfs(&self) -> std::path::PathBuf {
        self.0.path().join("hugetlbfs")
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.hugetlbfs().join(name)
    }

    fn config(&self, more: &str) -> Config {
        let path = self.file("{instance}");
        let text = format!(
            "[vswitch]\nprogram = \"/bin/true\"\nlanes = [0]\n\n[memory]\nfiles = [{{ path = {path:?}{more} }}]\n"
        );
        let file = self.0.path().join("vswsup.toml");
        fs::write(&file, text).unwrap();
        Config::load(&file).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Err(error) = umount(&self.hugetlbfs()) {
            eprintln!("{}: {error}", self.hugetlbfs().display());
        }
    }
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).unwrap().len()
}

#[test]
fn a_file_for_which_there_is_no_room_takes_nothing() {
    let _hugepages = Hugepages::at_least(64).unwrap();
    let host = Host::new();
    let before = Hugepages::free().unwrap();
    let error = MemoryFiles::open(&host.config(", size = \"20MiB\""), false).unwrap_err();
    assert!(
        matches!(error, Error::Withheld { missing: 2, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("raise `size=` of the mount"),
        "{error}"
    );
    let after = (Hugepages::free().unwrap(), length(&host.file("a")));
    assert_eq!(after, (before, 0), "what is of no use is given back");
    let files = MemoryFiles::open(&host.config(", size = \"8MiB\", node = 0"), false).unwrap();
    assert_eq!(
        Hugepages::free().unwrap(),
        before - 8,
        "with another size it works"
    );
    assert_eq!((files.of(A).len(), length(&host.file("a"))), (1, 4 * PAGE));
    assert_eq!(length(&host.file("b")), 4 * PAGE);
}

#[test]
fn pages_of_a_node_that_is_not_there_are_not_taken_elsewhere() {
    let _hugepages = Hugepages::at_least(16).unwrap();
    let host = Host::new();
    let before = Hugepages::free().unwrap();
    let error =
        MemoryFiles::open(&host.config(", size = \"4MiB\", node = 900"), false).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("pages of NUMA node 900 cannot be had"),
        "{error}"
    );
    assert_eq!(Hugepages::free().unwrap(), before);
}

#[test]
fn a_file_is_one_instances_also_under_another_name() {
    let _hugepages = Hugepages::at_least(16).unwrap();
    let host = Host::new();
    let config = host.config(", size = \"4MiB\"");
    drop(MemoryFiles::open(&config, false).unwrap());
    fs::remove_file(host.file("b")).unwrap();
    fs::hard_link(host.file("a"), host.file("b")).unwrap();
    let error = MemoryFiles::open(&config, false).unwrap_err();
    assert!(error.to_string().contains("under another name"), "{error}");
}

/// As an instance does, which closes the fd and lives on when its supervisor dies.
#[test]
fn what_somebody_has_mapped_is_for_nobody_but_who_has_taken_him_over() {
    let _hugepages = Hugepages::at_least(16).unwrap();
    let host = Host::new();
    let config = host.config(", size = \"4MiB\"");
    let first = MemoryFiles::open(&config, false).unwrap();
    let second = MemoryFiles::open(&config, true).unwrap_err();
    assert!(matches!(second, Error::InUse(_)), "{second}");
    let len = NonZero::new(PAGE as usize).unwrap();
    let mine = first.of(B)[0].try_clone_to_owned().unwrap();
    let (access, shared) = (ProtFlags::PROT_READ, MapFlags::MAP_SHARED);
    // SAFETY: a new mapping, which nobody looks at.
    let at = unsafe { mmap(None, len, access, shared, &mine, 0) }.unwrap();
    drop((mine, first));
    let stranger = MemoryFiles::open(&config, false).unwrap_err();
    assert!(
        matches!(&stranger, Error::StillMapped(path) if *path == host.file("b")),
        "{stranger}"
    );
    drop(MemoryFiles::open(&config, true).expect("who has taken him over"));
    // SAFETY: the mapping from above.
    unsafe { munmap(at, PAGE as usize) }.unwrap();
    MemoryFiles::open(&config, false).expect("nobody has it any more");
}
