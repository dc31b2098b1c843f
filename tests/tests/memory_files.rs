//! The whole system on memory files: no instance has a hugepage that is not in a file of its own, and
//! none is taken from the free ones, whatever happens to the instances.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use support::record::{command, wait_for_successor, wait_until};
use support::{PATIENCE, assert_without_a_trace, measured, steady, three_flows};
use vswsup_tests::rig::{Hugepages, Memory, Rig, RigConfig};

const MIB: u64 = 96;
/// Hugepages that nobody was given.
const SPARE_MIB: u64 = 96;

fn config() -> RigConfig {
    RigConfig {
        memory: Memory::Files(MIB),
        more: RigConfig::DEATHS_ARE_USUAL.to_owned(),
        ..RigConfig::guests(2)
    }
}

#[test]
fn no_hugepage_is_taken_that_is_not_in_a_file() {
    let _hugepages = Hugepages::at_least(2 * MIB + SPARE_MIB).unwrap();
    let before = Hugepages::free().unwrap();
    let report = measured(|| {
        let rig = Rig::start(&config()).unwrap();
        let populated = Hugepages::free().unwrap();
        assert_eq!(before - populated, 2 * MIB / 2, "two files are populated");
        assert_files_are_private(&rig);
        assert_memory_is_own(&rig);
        let running = three_flows(&rig, steady);
        for _ in 0..3 {
            command(&rig, &["promote"]);
            rig.supervisor().wait_for_spare(PATIENCE).unwrap();
        }
        let report = running.stop().unwrap();
        replace_both(&rig);
        assert_eq!(
            Hugepages::free().unwrap(),
            populated,
            "hugepages were taken"
        );
        assert_memory_is_own(&rig);
        report
    });
    report.flows.iter().for_each(assert_without_a_trace);
    assert_eq!(Hugepages::free().unwrap(), before, "the files are gone");
}

/// The next supervisor finds the files populated, and as large as they are.
#[test]
fn a_restart_finds_its_files_populated() {
    let _hugepages = Hugepages::at_least(2 * MIB).unwrap();
    let mut rig = Rig::start(&config()).unwrap();
    let inodes = || file_inodes(&rig);
    let before = inodes();
    let free = Hugepages::free().unwrap();
    rig.supervisor_mut().restart().unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    assert_eq!(
        (file_inodes(&rig), Hugepages::free().unwrap()),
        (before, free)
    );
    assert_memory_is_own(&rig);
}

/// Its instances have the files mapped all the while.
#[test]
fn the_next_supervisor_has_the_files_of_a_pair_that_runs() {
    let _hugepages = Hugepages::at_least(2 * MIB).unwrap();
    let mut rig = Rig::start(&config()).unwrap();
    let free = Hugepages::free().unwrap();
    rig.supervisor_mut().kill().unwrap();
    rig.supervisor_mut().start_again().unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    replace_both(&rig);
    assert_eq!(Hugepages::free().unwrap(), free, "hugepages were taken");
    assert_memory_is_own(&rig);
}

#[test]
fn a_host_without_the_pages_is_told_before_anything_starts() {
    let free_mib = 2 * Hugepages::free().unwrap();
    let config = RigConfig {
        memory: Memory::Files(2 * free_mib + 64),
        ..config()
    };
    let rig = Rig::start_without_waiting(&config).unwrap();
    wait_until(&rig, "word of the files", || {
        rig.supervisor().log().contains("memory.files")
    });
    let log = rig.supervisor().log();
    assert!(
        log.contains("hugepages of 2048 KiB are to be populated"),
        "{log}"
    );
    assert!(log.contains("nr_hugepages by"), "{log}");
}

fn file_inodes(rig: &Rig) -> Vec<u64> {
    let files = ["a", "b"].map(|id| rig.memory_file(id));
    files
        .iter()
        .map(|file| fs::metadata(file).unwrap().ino())
        .collect()
}

fn assert_files_are_private(rig: &Rig) {
    for id in ["a", "b"] {
        let metadata = fs::metadata(rig.memory_file(id)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(metadata.len(), MIB << 20);
    }
}

/// By the kernel's book of what each instance has mapped.
fn assert_memory_is_own(rig: &Rig) {
    let status = rig.supervisor().status().unwrap();
    for (index, id) in ["a", "b"].into_iter().enumerate() {
        let pid = &status["instances"][index]["pid"];
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let mine = rig.memory_file(id).display().to_string();
        assert!(maps.contains(&mine), "{id} has not mapped {mine}:\n{maps}");
        let other = if id == "a" { "b" } else { "a" };
        let others = rig.memory_file(other).display().to_string();
        assert!(!maps.contains(&others), "{id} has mapped {others}");
        assert!(
            !maps.contains("anon_hugepage"),
            "{id} has hugepages of its own:\n{maps}"
        );
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let open = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok());
        assert!(
            !open
                .into_iter()
                .any(|file| file.display().to_string() == others),
            "{id} has {others} open"
        );
    }
}

/// Kills the active one twice, so that both are new.
fn replace_both(rig: &Rig) {
    for _ in 0..2 {
        let victim = rig.operator().serving_process().unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(victim),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        wait_for_successor(rig, victim);
        rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    }
}
