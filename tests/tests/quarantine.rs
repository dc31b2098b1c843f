//! A device on which whoever serves it dies: the first death is taken over, the second one puts the
//! device in quarantine. Its connection is closed and everybody is told, the others go on as if
//! nothing had been, and `vswsup port release` brings it back.

mod support;

use std::time::Duration;
use support::record::{command, entry, of_kind, pid_of, told, wait_until};
use support::{PATIENCE, assert_survives_deaths, measured};
use vswsup_tests::emulator::{FlowSpec, GuestSpec, Instrument, Plan, Report, Running};
use vswsup_tests::rig::{Rig, RigConfig};

/// Frames a second. When both instances die the guests' rings hold 1.6 s of them.
const RATE: u32 = 10_000;
const RING: u16 = 16_384;
/// What the rings hold, less a start-up.
const STALL_LIMIT: Duration = Duration::from_millis(500);
const POISON: &str = "vm3";
/// The poison's message, which every front end sends once before its guest comes up.
const MESSAGE: &str = "SET_MEM_TABLE";

#[test]
fn a_chain_that_kills_one_instance_after_the_other() {
    with_poison(2, |rig, _| {
        die_of_chain(rig);
        assert!(!is_in_quarantine(rig), "once is no proof");
        die_of_chain(rig);
    });
}

/// The successor meets it at once, before there is a standby again.
#[test]
fn a_chain_that_kills_both_instances() {
    with_poison(2, |rig, _| {
        rig.set_faults(&format!("* poison {POISON}\n")).unwrap()
    });
}

#[test]
fn a_message_that_kills_both_control_threads() {
    with_poison(2, |rig, running| {
        running.remove(POISON).unwrap();
        let fault = format!("* message peeked {MESSAGE} segv always\n");
        rig.set_faults(&fault).unwrap();
        running.add_guest(AGAIN, &deep(rig.guest(3))).unwrap();
    });
}

/// Both kinds of thread tell over which port they die, and it is the same port.
#[test]
fn a_message_and_then_a_chain() {
    with_poison(2, |rig, running| {
        die_of_message(rig, running);
        die_of_chain(rig);
    });
}

/// The second death has a successor, which takes over by the locks and meets the chain before the
/// supervisor has heard of anything.
#[test]
fn a_message_and_then_a_chain_that_kills_the_successor_too() {
    with_poison(3, |rig, running| {
        die_of_message(rig, running);
        rig.set_faults(&format!("* poison {POISON}\n")).unwrap();
    });
}

/// Whoever is active now dies of the poison's ring; its successor does not.
fn die_of_chain(rig: &Rig) {
    let active = active(rig);
    rig.set_faults(&format!("{active} poison {POISON}\n"))
        .unwrap();
    wait_for_takeover(rig, &active);
}

/// As above, of a message that is the poison's.
fn die_of_message(rig: &Rig, running: &mut Running) {
    running.remove(POISON).unwrap();
    let active = active(rig);
    rig.set_faults(&format!("* message peeked {MESSAGE} die\n"))
        .unwrap();
    running.add_guest(AGAIN, &deep(rig.guest(3))).unwrap();
    wait_for_takeover(rig, &active);
    wait_until(rig, "the link", || running.link(AGAIN).unwrap().is_up());
}

fn wait_for_takeover(rig: &Rig, from: &str) {
    wait_until(rig, "a takeover", || {
        !["nobody", from].contains(&active(rig).as_str())
    });
    rig.set_faults("").unwrap();
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
}

/// The guest behind the poison's port, when it has come up once more.
const AGAIN: &str = "vm3 again";

/// Two guests that go on, and two of which one is poison as soon as `poison` says so, of which at most
/// so many instances die.
fn with_poison(deaths: u64, poison: impl Fn(&Rig, &mut Running)) {
    let report = measured(|| run(deaths, &poison));
    let intact = report.flow("intact").unwrap();
    assert_survives_deaths(intact, deaths);
    assert_eq!(intact.lost, 0, "{intact}");
}

fn run(deaths: u64, poison: impl Fn(&Rig, &mut Running)) -> Report {
    let rig = Rig::start(&RigConfig {
        uplink: false,
        faults: true,
        ..RigConfig::guests(4)
    })
    .unwrap();
    let mut running = start(&rig);
    let term = told(&rig, &["status"])["term"].as_u64().unwrap();

    poison(&rig, &mut running);

    wait_until(&rig, "the quarantine", || is_in_quarantine(&rig));
    let guest = guest(&running);
    wait_until(&rig, "a closed connection", || {
        !running.link(guest).unwrap().is_up()
    });
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    others_go_on(&rig, &running);
    check_record(&rig, deaths);
    let after = told(&rig, &["status"])["term"].as_u64().unwrap();
    let died = after - term;
    assert!((2..=deaths).contains(&died), "{}", rig.supervisor().log());

    // Whoever is active now does not serve the port, whether the fault is there still or not.
    command(&rig, &["promote"]);
    rig.supervisor().wait_for_spare(PATIENCE).unwrap();
    assert_eq!(told(&rig, &["status"])["term"], after + 1);

    rig.set_faults("").unwrap();
    let pids = |status| ["active", "standby"].map(|state| pid_of(&status, state));
    let before = pids(told(&rig, &["status"]));
    command(&rig, &["port", "release", POISON]);
    wait_until(&rig, "the link", || running.link(guest).unwrap().is_up());
    let flow = FlowSpec::steady("released", guest, "vm4", RATE, 64);
    running.add_flow(flow).unwrap();
    running.start_flows(PATIENCE).unwrap();
    let released = running.flows().len() - 1;
    wait_until(&rig, "traffic of the released port", || {
        running.flows()[released].counters.received.get() > 1000
    });
    check_release(&rig);
    assert_eq!(pids(told(&rig, &["status"])), before, "nobody died of it");
    running.stop().unwrap()
}

fn start(rig: &Rig) -> Running {
    let plan = Plan::new()
        .stall_limit(STALL_LIMIT)
        .guest("vm1", deep(rig.guest(1)))
        .guest("vm2", deep(rig.guest(2)))
        .guest(POISON, deep(rig.guest(3)))
        .guest("vm4", deep(rig.guest(4)))
        .flow(FlowSpec::steady("intact", "vm1", "vm2", RATE, 64));
    let running = Instrument::start(plan).unwrap();
    running.wait_for_links(PATIENCE).unwrap();
    running.start_flows(PATIENCE).unwrap();
    running
}

fn deep(guest: GuestSpec) -> GuestSpec {
    GuestSpec {
        rx_ring: RING,
        tx_ring: RING,
        ..guest
    }
}

/// The one behind the poison's port now.
fn guest(running: &Running) -> &'static str {
    if running.link(AGAIN).is_ok() {
        AGAIN
    } else {
        POISON
    }
}

/// Everywhere it is said which port, why, and what to do.
fn check_record(rig: &Rig, deaths: u64) {
    let status = rig.supervisor().command(&["status"]).unwrap();
    assert_eq!(status.status.code(), Some(3), "all is not well: {status:?}");
    let advice = format!("vswsup port release {POISON}");
    assert!(
        status.stdout.contains("in quarantine") && status.stdout.contains(&advice),
        "{status:?}"
    );

    let events = told(rig, &["events"]);
    let blamed = of_kind(&events, "blamed");
    let ports: Vec<_> = blamed.iter().map(|event| &event["port"]).collect();
    assert_eq!(ports, [POISON, POISON], "{events}");
    // Of two that die at the same time either may be heard of first, also the one that died before.
    let one_by_one = deaths == 2;
    assert!(
        !one_by_one || blamed[0]["instance"] != blamed[1]["instance"],
        "{events}"
    );
    let quarantined = of_kind(&events, "quarantined");
    assert_eq!(quarantined.len(), 1, "{events}");
    assert_eq!(quarantined[0]["port"], POISON);
    let text = quarantined[0]["text"].as_str().unwrap();
    assert!(text.contains(&advice), "{text}");

    let history = told(rig, &["history"]);
    assert_eq!(of_kind(&history, "quarantine").len(), 1, "{history}");
    let failovers = of_kind(&history, "failover");
    assert!(!failovers.is_empty(), "{history}");
    for failover in failovers {
        assert_eq!(failover["failover"]["port"], POISON, "{failover}");
    }

    let port = entry(&told(rig, &["port", "list"]), "name", POISON).unwrap();
    assert_eq!(
        (&port["quarantined"], &port["connected"]),
        (&true.into(), &false.into())
    );
    assert!(!rig.socket(3).exists(), "a front end would wait there");
    let devices = told(rig, &["device", "list"]);
    assert_eq!(entry(&devices, "port", POISON), None, "{devices}");
    for other in ["vm1", "vm2", "vm4"] {
        assert!(entry(&devices, "port", other).is_some(), "{devices}");
    }
}

fn check_release(rig: &Rig) {
    let status = rig.supervisor().command(&["status"]).unwrap();
    assert!(
        status.status.success() && !status.stdout.contains("quarantine"),
        "{status:?}"
    );
    assert_eq!(of_kind(&told(rig, &["events"]), "released").len(), 1);
    let port = entry(&told(rig, &["port", "list"]), "name", POISON).unwrap();
    assert_eq!(
        (&port["quarantined"], &port["connected"]),
        (&false.into(), &true.into())
    );
    let again = rig
        .supervisor()
        .command(&["port", "release", POISON])
        .unwrap();
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}

fn others_go_on(rig: &Rig, running: &Running) {
    let received = || running.flows()[0].counters.received.get();
    let before = received();
    wait_until(rig, "the others' traffic", || received() > before + 1000);
}

fn is_in_quarantine(rig: &Rig) -> bool {
    !of_kind(&told(rig, &["events"]), "quarantined").is_empty()
}

/// `a` or `b`, or nobody.
fn active(rig: &Rig) -> String {
    let status = rig.supervisor().status().unwrap();
    status["active"].as_str().unwrap_or("nobody").to_owned()
}
