//! The whole product on NICs that hosts of tests have not: see `vswsup_tests::nic_machine`.
//!
//! Needs root and a QEMU with `igb` (`tests/guest/install-qemu-backports`); fails with the reason where
//! they are missing. About 10 minutes on two CPUs, one of which would do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vswsup_tests::bench_restart::{Name, Report};
use vswsup_tests::guest_vm::{Artifacts, Result};
use vswsup_tests::nic_machine::{NicMachine, PF};
use vswsup_tests::terminal::Interrupt;

/// What a case may take on a busy host.
const CASE_LIMIT: Duration = Duration::from_secs(1800);
const SHORT: Duration = Duration::from_secs(120);
/// What QEMU may do wrong, it seldom does three times in a row.
const MACHINES: usize = 3;

/// Each test wants both cores for itself.
static TURN: Mutex<()> = Mutex::new(());

fn one_at_a_time() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn boot() -> NicMachine {
    let interrupt = Interrupt::on_signals().expect("signals can be handled");
    NicMachine::boot(&interrupt).unwrap_or_else(|error| panic!("{error}"))
}

/// Does `work` on a machine, and on a new one where QEMU failed the last.
fn on_a_machine<T>(work: impl Fn(&mut NicMachine) -> Result<T>) -> T {
    let _turn = one_at_a_time();
    let mut outcome = work(&mut boot());
    for _ in 1..MACHINES {
        let Err(error) = outcome else { break };
        assert!(error.is_qemus(), "{error}");
        println!("{error}; once more");
        outcome = work(&mut boot());
    }
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `command` inside, which must succeed; what it writes is shown at once.
fn run(machine: &mut NicMachine, command: &Command, limit: Duration) -> Result<String> {
    let outcome = machine.run(command, limit, &mut |text| print!("{text}"))?;
    let said = machine.log_tail();
    assert_eq!(outcome.status, 0, "{command:?}: {}{said}", outcome.output);
    Ok(outcome.output)
}

fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    command
}

/// Fifty promotes, twenty kills and some deaf uplinks under three flows.
fn everything(nic: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inside-nic"));
    command.arg(nic);
    on_a_machine(|machine| run(machine, &command, CASE_LIMIT));
}

#[test]
fn promotes_kills_and_deafness_on_virtual_functions() {
    everything("sriov-mac");
}

#[test]
fn promotes_kills_and_deafness_on_virtio_devices_behind_a_bridge() {
    everything("bridge-fdb");
}

/// Cold, fast and warm, once each: no times are judged, nor the order, since QEMU keeps what comes while
/// nobody has the device and gives it after newer packets.
#[test]
fn one_virtual_function_for_both_instances() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench-restart"));
    command.args(["--vf", "--runs", "1", "--memory", "128"]);
    command.args(["--output", "/run/share/restart.json"]);
    let result = on_a_machine(|machine| {
        run(machine, &command, CASE_LIMIT)?;
        Ok(std::fs::read(machine.share().join("restart.json")).expect("a result"))
    });
    let result: Report = serde_json::from_slice(&result).expect("a report");
    let names: Vec<_> = result.cases.iter().map(|case| case.name).collect();
    assert_eq!(names, [Name::Cold, Name::Fast, Name::Warm]);
    for case in result.cases {
        assert_eq!((case.runs, case.disconnects), (1, 0), "{case:?}");
        assert_eq!(case.counts.doubled, 0, "{case:?}");
        assert!(case.counts.received > 0, "{case:?}");
    }
}

/// The test programs of `steering` of which some tests want another kernel than the host's.
const STEERING: [&str; 5] = [
    "bridge_fdb",
    "tc_flower",
    "tc_flower_simulated",
    "sriov_simulated",
    "sriov_pf",
];

#[test]
fn steering_that_needs_another_kernel_than_the_hosts() {
    Artifacts::add_netdevsim().unwrap_or_else(|error| panic!("{error}"));
    let programs = test_programs(&STEERING);
    on_a_machine(|machine| {
        let pf = make_virtual_functions(machine)?;
        for program in &programs {
            let mut command = all_tests(program);
            command.env("VSWSUP_PF", &pf);
            run(machine, &command, CASE_LIMIT)?;
        }
        Ok(())
    });
}

fn all_tests(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--include-ignored", "--test-threads=1"]);
    command
}

/// Two of them that nobody uses, and the name of their PF.
fn make_virtual_functions(machine: &mut NicMachine) -> Result<String> {
    let text = format!(
        "set -e; modprobe igb; cd /sys/class/net
         pf=$(grep -lx {PF} */address | cut -d/ -f1)
         carrier() {{ until grep -qx 1 $pf/carrier; do sleep 0.1; done; }}
         ip link set $pf up; carrier
         echo 0 > $pf/device/sriov_drivers_autoprobe
         echo 2 > $pf/device/sriov_numvfs
         carrier; echo $pf"
    );
    run(machine, &shell(&text), SHORT).map(|pf| pf.trim().to_owned())
}

/// What a person meets who has something wrong with the NIC.
#[test]
fn errors_about_uplinks() {
    let programs = test_programs(&["uplink_errors"]);
    on_a_machine(|machine| {
        for program in &programs {
            run(machine, &all_tests(program), CASE_LIMIT)?;
        }
        Ok(())
    });
}

/// Test programs, built as this one is.
fn test_programs(names: &[&str]) -> Vec<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // As `make build` builds it, so that nothing it needs is built twice.
    cargo.args(["test", "--locked", "--no-run", "--workspace"]);
    cargo.args(["--message-format", "json"]);
    for name in names {
        cargo.args(["--test", name]);
    }
    if cfg!(not(debug_assertions)) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo");
    assert!(output.status.success(), "{cargo:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said.lines().map(serde_json::from_str::<serde_json::Value>);
    let messages: Vec<_> = messages.map_while(Result::ok).collect();
    let program = |name: &&str| {
        let mut of_name = messages
            .iter()
            .filter(|message| message["target"]["name"] == **name);
        let program = of_name.find_map(|message| message["executable"].as_str());
        PathBuf::from(program.unwrap_or_else(|| panic!("{cargo:?} names no {name}: {said}")))
    };
    names.iter().map(program).collect()
}

#[test]
fn the_machine_keeps_the_hosts_time_and_its_limits() {
    let _turn = one_at_a_time();
    let mut machine = boot();
    let uptime = shell("cut -d' ' -f1 /proc/uptime");
    let seconds = |machine: &mut NicMachine| -> f64 {
        let text = run(machine, &uptime, SHORT).expect("it runs");
        text.trim().parse().expect("a number")
    };
    let begin = (Instant::now(), seconds(&mut machine));
    std::thread::sleep(Duration::from_secs(3));
    let end = (Instant::now(), seconds(&mut machine));
    let ratio = (end.1 - begin.1) / end.0.duration_since(begin.0).as_secs_f64();
    assert!((0.8..1.25).contains(&ratio), "clocks differ: {ratio}");

    let outcome = machine.run(
        &shell("echo begun; sleep 60"),
        Duration::from_secs(1),
        &mut |_| {},
    );
    let outcome = outcome.expect("a program can be run");
    assert_eq!(outcome.status, 137, "killed: {}", outcome.output);
    assert!(outcome.output.starts_with("begun\n"), "{}", outcome.output);

    // It writes into its own memory, not into the host's files.
    let mark = std::env::temp_dir().join("vswsup-written-inside");
    run(
        &mut machine,
        &shell(&format!("echo x > {}", mark.display())),
        SHORT,
    )
    .expect("it runs");
    assert!(!mark.exists(), "{} is a file of the host", mark.display());
}
