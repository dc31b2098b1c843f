//! What a death costs, by every signal, under three flows: no connection, nothing that a guest has sent,
//! and of what the NIC has delivered no more than the time allows.

use nix::sys::signal::Signal;
use std::thread;
use std::time::Duration;
use vswsup_tests::failover::{Bound, Observed, Stage, Tally, Traffic, Witness};
use vswsup_tests::rig::RigConfig;

/// Deaths by each signal.
const DEATHS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Rounds that may be void because the instrument itself did not run for too long.
const VOID_ROUNDS: usize = 8;

/// Again and again `act`, none of them worse than `bound`, on a switch with lanes on these CPUs.
fn repeat(lanes: &[u16], bound: Bound, mut act: impl FnMut(&mut Stage) -> Observed) {
    let config = RigConfig {
        lanes: lanes.to_vec(),
        ..RigConfig::guests(2)
    };
    let mut stage = Stage::start(config, Traffic::USUAL).unwrap_or_else(|error| panic!("{error}"));
    let supervisor = stage.wait_until_whole(&[]).unwrap().supervisor;
    let witness = Witness::start(supervisor, lanes.len() as u16).unwrap();
    let (mut done, mut void) = (0, 0);
    while done < DEATHS {
        thread::sleep(PAUSE);
        let observed = act(&mut stage);
        show(&observed);
        assert_eq!(bound.violations(&observed), [""; 0], "{}", stage.log());
        assert_eq!(witness.check_locks(&stage.pair().unwrap()), [""; 0]);
        match &observed.void {
            None => done += 1,
            Some(reason) => {
                println!("void: {reason}; again");
                void += 1;
                assert!(void < VOID_ROUNDS, "this machine is too busy to measure");
            }
        }
    }
    assert_eq!(witness.finish(), [""; 0]);
}

fn show(observed: &Observed) {
    let Tally { lost, doubled, .. } = observed.total();
    let blackout = observed.blackout() as f64 / 1e6;
    println!("blackout {blackout:.2} ms, lost {lost}, doubled {doubled}");
}

fn killed_by(signal: Signal) {
    with_lanes_killed_by(&[0], signal);
}

fn with_lanes_killed_by(lanes: &[u16], signal: Signal) {
    repeat(lanes, Bound::owners(1), |stage| {
        let observed = stage.observe(|stage, pair| {
            stage.kill(pair.active, signal)?;
            Ok(vec![pair.active])
        });
        let observed = observed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(observed.terms, 1, "one death, one successor");
        observed
    });
}

#[test]
fn killed() {
    killed_by(Signal::SIGKILL);
}

/// A successor needs them all. The second one shares its CPU with the instrument.
#[test]
fn killed_with_two_lanes() {
    with_lanes_killed_by(&[0, 1], Signal::SIGKILL);
}

#[test]
fn a_segmentation_fault() {
    killed_by(Signal::SIGSEGV);
}

#[test]
fn an_abort() {
    killed_by(Signal::SIGABRT);
}

#[test]
fn a_bus_error() {
    killed_by(Signal::SIGBUS);
}

#[test]
fn an_illegal_instruction() {
    killed_by(Signal::SIGILL);
}

#[test]
fn a_polite_end_that_nobody_asked_for() {
    killed_by(Signal::SIGTERM);
}

#[test]
fn the_death_of_a_standby_costs_nothing() {
    repeat(&[0], Bound::nothing(), |stage| {
        let observed = stage.observe(|stage, pair| {
            stage.kill(pair.standby, Signal::SIGKILL)?;
            Ok(vec![pair.standby])
        });
        let observed = observed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(observed.terms, 0, "the active one stays");
        observed
    });
}

/// Nobody is left who has the devices but the vault, and the connections are kept all the same.
#[test]
fn both_die_and_the_vault_revives_the_devices() {
    repeat(&[0], Bound::owners(2), |stage| {
        let observed = stage.observe(|stage, pair| {
            stage.kill(pair.standby, Signal::SIGKILL)?;
            stage.kill(pair.active, Signal::SIGKILL)?;
            Ok(vec![pair.active, pair.standby])
        });
        observed.unwrap_or_else(|error| panic!("{error}"))
    });
}
