//! An instance that dumps its core is taken over while it does, and the record names the file.
//!
//! The kernel's `core_pattern` is changed for as long as a test runs, for the whole machine.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use support::record::{entry, of_kind, pid_of, told, wait_for, wait_until};
use support::{PATIENCE, assert_survives_deaths, one_way, wait_until_all_go_on};
use vswsup_tests::cores::Cores;
use vswsup_tests::rig::{Programs, Rig, RigConfig};

/// elf(5): `e_type` of a core.
const ET_CORE: u16 = 4;
/// The notes, with the names of the mapped files, come first.
const HEAD: u64 = 1 << 20;

#[test]
fn a_core_is_written_named_and_not_waited_for() {
    let cores = Cores::collect().unwrap();
    let rig = Rig::start(&RigConfig {
        uplink: false,
        ..RigConfig::guests(2)
    })
    .unwrap();
    let running = one_way(&rig);
    let status = told(&rig, &["status"]);
    let [active, standby] = ["active", "standby"].map(|state| pid_of(&status, state));
    let core = cores.file_of(active);

    kill(active, Signal::SIGSEGV).unwrap();
    let operator = rig.operator();
    wait_until(&rig, "a takeover", || {
        let status = operator.status().unwrap();
        let of = |pid: Pid| {
            status
                .instances
                .iter()
                .find(|one| one.pid == Some(pid.as_raw()))
        };
        of(standby).is_some_and(|one| status.active == Some(one.instance))
    });
    let when_taken_over = size(&core);
    wait_until_all_go_on(&rig, &running);

    let failover = wait_for(&rig, "the end of the dump", || {
        let failovers = of_kind(&told(&rig, &["history"]), "failover");
        let failover = failovers.first()?["failover"].clone();
        (failover["ended"] == true).then_some(failover)
    });
    let whole = size(&core);
    println!("{when_taken_over} of {whole} bytes were written when it was taken over");
    assert!(when_taken_over < whole, "it was waited for");
    assert_eq!(failover["signal"], Signal::SIGSEGV as i32);
    assert_eq!(failover["core_dumped"], true);
    assert_eq!(failover["core_file"], core.to_str().unwrap());
    assert_is_core_of_vswitch(&core);

    let ended = entry(&told(&rig, &["events"]), "kind", "ended").unwrap();
    let text = ended["text"].as_str().unwrap();
    assert!(text.contains(core.to_str().unwrap()), "{text}");

    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    let flow = &running.stop().unwrap().flows[0];
    println!("{flow}");
    assert_survives_deaths(flow, 1);
    assert_eq!(flow.lost, 0, "{flow}");
}

/// 0 when it is not there yet.
fn size(file: &Path) -> u64 {
    file.metadata().map_or(0, |file| file.len())
}

fn assert_is_core_of_vswitch(core: &Path) {
    let mut head = Vec::new();
    let file = File::open(core).unwrap();
    file.take(HEAD).read_to_end(&mut head).unwrap();
    assert_eq!(&head[..4], b"\x7fELF");
    assert_eq!(u16::from_le_bytes([head[16], head[17]]), ET_CORE);
    let program = Programs::find().unwrap().vswitch;
    let program = program.canonicalize().unwrap();
    let name = program.as_os_str().as_encoded_bytes();
    let is_named = head.windows(name.len()).any(|bytes| bytes == name);
    assert!(
        is_named,
        "a core of something else than {}",
        program.display()
    );
}
