//! The supervisor as a process, with two fake instances: this very program, when it is started with
//! `--lifeline-fd`. The real switch is tested elsewhere; here it is about the daemon.

mod failures;
mod fake;
mod hooks;
mod rig;
mod uplinks;
mod wishes;

use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use rig::{Rig, kill_process, port, runs};
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use vhost_transfer::InstanceId::{self, A, B};
use vswsup::config::{Port, PortMode};
use vswsup::control::protocol::{MoveKind, Outcome};
use vswsup::control::{Request, Response};
use wishes::Wish;

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--lifeline-fd") {
        let fd = args.next().and_then(|fd| fd.parse().ok());
        fake::live(fd.expect("the number of an fd"));
    }
    let tests: &[(&str, fn())] = &[
        ("starts_and_has_a_spare", starts_and_has_a_spare),
        ("promotes_again_and_again", promotes_again_and_again),
        ("promotes_with_reconnect", promotes_with_reconnect),
        ("a_refusal_is_told_and_undone", a_refusal_is_told_and_undone),
        (
            "a_standby_that_dies_or_hangs_is_replaced",
            a_standby_that_dies_or_hangs_is_replaced,
        ),
        (
            "an_active_that_hangs_in_quiesce_stays_active",
            an_active_that_hangs_in_quiesce,
        ),
        (
            "lanes_that_are_not_taken_are_taken_back",
            lanes_that_are_not_taken_are_taken_back,
        ),
        ("a_death_is_taken_over", a_death_is_taken_over),
        (
            "devices_are_vaulted_and_mapped",
            devices_are_vaulted_and_mapped,
        ),
        (
            "all_die_and_the_vault_brings_devices_back",
            all_die_and_the_vault_brings_devices_back,
        ),
        (
            "a_standby_that_does_not_map_is_dropped",
            a_standby_that_does_not_map_is_dropped,
        ),
        ("ports_come_and_go", ports_come_and_go),
        ("a_reload_changes_ports", a_reload_changes_ports),
        (
            "nonsense_on_the_lifeline_ends_the_instance",
            nonsense_on_the_lifeline,
        ),
        (
            "a_second_supervisor_is_refused",
            a_second_supervisor_is_refused,
        ),
        ("a_path_in_use_is_named", a_path_in_use_is_named),
        ("sigterm_leaves_nothing", sigterm_leaves_nothing),
        ("a_hung_lane_is_taken_over", failures::hung_lane),
        ("a_stopped_instance_is_taken_over", failures::stopped),
        ("poison_is_put_in_quarantine", failures::poison),
        ("pinned_nothing_takes_over", failures::pinned),
        ("a_storm_ends_and_a_reload_tries_again", failures::storm),
        ("two_storms_end_the_supervisor", failures::two_storms),
        ("a_death_is_on_the_record", failures::record),
        (
            "an_active_one_that_loses_its_uplink_hands_over",
            uplinks::active_loses_its_uplink,
        ),
        (
            "a_standby_without_uplink_leaves_until_it_is_back",
            uplinks::standby_loses_its_uplink,
        ),
        (
            "without_uplinks_guests_are_served",
            uplinks::both_lose_theirs,
        ),
        (
            "hooks_follow_each_other_and_know_what_they_are_about",
            hooks::one_after_the_other,
        ),
        (
            "a_pre_start_hook_that_hangs_delays_nobody_else",
            hooks::that_hangs_before_a_start,
        ),
        (
            "a_post_stop_hook_that_fails_is_told_and_changes_nothing",
            hooks::that_fails_after_an_end,
        ),
        (
            "one_that_babbles_is_not_the_only_one_heard",
            failures::babble,
        ),
    ];
    let trials = tests.iter().map(|&(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn device(revision: u64) -> Wish {
    let port = port(1);
    Wish::Device {
        port,
        revision,
        fds: 5,
    }
}

fn starts_and_has_a_spare() {
    let rig = Rig::ready();
    let status = rig.status();
    assert_eq!((status.active, status.term), (Some(A), 1));
    assert_eq!(status.ports, 2);
    assert!(status.trouble.is_empty(), "{:?}", status.trouble);
    assert!(
        status
            .instances
            .iter()
            .all(|of| of.version.as_deref() == Some("fake"))
    );
    for id in InstanceId::BOTH {
        rig.wait_for_line(id, "port vm1 fds 1");
    }
    assert!(rig.socket("vm1").exists());
    let kinds: Vec<_> = rig.history().iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|&&kind| kind == MoveKind::Start)
            .count(),
        2
    );
    assert!(kinds.contains(&MoveKind::Activate));
}

fn promotes_again_and_again() {
    let rig = Rig::ready();
    for term in 2..12 {
        let report = rig.promote().unwrap();
        assert_eq!(report.term, term);
        assert_eq!(report.from, report.to.other());
        assert_eq!(report.freeze_us, Some(4.2));
        assert_eq!(report.drained, 3);
        let names: Vec<_> = report
            .phases
            .iter()
            .map(|phase| phase.name.as_str())
            .collect();
        assert_eq!(names, ["prepare", "quiesce", "steer", "release", "settle"]);
        assert!(rig.status().spare, "a promote ends with a spare");
    }
    let promotes = rig
        .history()
        .into_iter()
        .filter(|entry| entry.kind == MoveKind::Promote);
    assert_eq!(promotes.count(), 10);
}

fn promotes_with_reconnect() {
    let rig = Rig::ready();
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    let report = rig.promote_with(true).unwrap();
    assert!(report.reconnect);
    let last = rig.history().pop().unwrap();
    assert_eq!(
        (last.kind, last.outcome),
        (MoveKind::Reconnect, Outcome::Done)
    );
}

fn a_refusal_is_told_and_undone() {
    let rig = Rig::ready();
    for (id, phase) in [(B, "prepare"), (A, "quiesce")] {
        rig.fault(id, phase, "refuse");
        let failure = rig.promote().unwrap_err();
        assert!(
            failure
                .reason
                .contains(&format!("told to refuse to {phase}")),
            "{failure:?}"
        );
        assert!(!failure.traffic_affected);
        let status = rig.status();
        assert_eq!(
            (status.active, status.term, status.spare),
            (Some(A), 1, true)
        );
        rig.no_fault(id, phase);
    }
    assert_eq!(rig.promote().unwrap().to, B);
}

fn a_standby_that_dies_or_hangs_is_replaced() {
    let rig = Rig::ready();
    for (phase, what) in [("prepare", "die"), ("prepare", "hang"), ("prepared", "die")] {
        let pid = rig.pid_of(B);
        rig.fault(B, phase, what);
        let outcome = rig.promote();
        rig.no_fault(B, phase);
        let failure = outcome.expect_err("the standby is of no use");
        assert!(!failure.traffic_affected, "{phase} {what}: {failure:?}");
        // The lanes may have let go for the word that is revoked: then a takes them again.
        assert_eq!(rig.wait_for_spare().active, Some(A), "{}", rig.log());
        assert_ne!(rig.pid_of(B), pid);
        assert!(!runs(pid));
    }
    assert_eq!(rig.promote().unwrap().to, B);
}

fn an_active_that_hangs_in_quiesce() {
    let rig = Rig::ready();
    rig.fault(A, "quiesce", "hang");
    let failure = rig.promote().unwrap_err();
    assert!(
        failure.reason.contains("was not quiesced within 1s"),
        "{failure:?}"
    );
    assert!(!failure.traffic_affected);
    assert_eq!(rig.status().active, Some(A));
    let again = rig.promote().unwrap_err();
    assert!(
        again.reason.contains("has not confirmed the last abort"),
        "{again:?}"
    );
}

fn lanes_that_are_not_taken_are_taken_back() {
    let rig = Rig::ready();
    rig.fault(B, "take", "hang");
    let failure = rig.promote().unwrap_err();
    assert!(failure.reason.contains("a took them back"), "{failure:?}");
    assert!(!failure.traffic_affected);
    assert_eq!(failure.discarded, 7);
    let status = rig.status();
    assert_eq!(
        (status.active, status.term, status.spare),
        (Some(A), 2, true)
    );
    assert_eq!(rig.history().pop().unwrap().discarded, 7);
    rig.no_fault(B, "take");
    assert_eq!(rig.promote().unwrap().term, 3);
}

fn a_death_is_taken_over() {
    let rig = Rig::ready();
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    let pid = rig.pid_of(A);
    kill_process(pid);
    rig.wait("failover", || {
        (rig.status().active == Some(B)).then_some(())
    });
    rig.wait_for_spare();
    assert!(
        rig.history()
            .iter()
            .any(|entry| entry.kind == MoveKind::Failover)
    );
    assert_eq!(rig.devices().len(), 1);
    rig.wait_for_line(A, "device 1 1 bytes 100 fds 5");
    assert_eq!(rig.promote().unwrap().to, A);
}

fn devices_are_vaulted_and_mapped() {
    let rig = Rig::ready();
    for revision in 1..4 {
        rig.wish(device(revision));
        rig.wait_for_line(A, &format!("stored 1 {revision}"));
        rig.wait_for_line(B, &format!("device 1 {revision} bytes 100 fds 5"));
    }
    let devices = rig.devices();
    assert_eq!(devices.len(), 1);
    assert_eq!((devices[0].port.as_str(), devices[0].revision), ("vm1", 3));
    assert!(devices[0].mapped_by_standby);
    assert!(matches!(
        rig.ask(&Request::DeviceShow { port: "vm1".into() }),
        Response::Device(_)
    ));
    let unknown = rig.ask(&Request::DeviceShow { port: "vm9".into() });
    assert!(matches!(unknown, Response::Unknown { .. }), "{unknown:?}");
    rig.promote().unwrap();
    rig.wish(device(4));
    rig.wait_for_line(B, "stored 1 4");
    rig.wait_for_line(A, "device 1 4 bytes 100 fds 5");
    rig.wish(Wish::Gone { port: port(1) });
    rig.wait_for_line(A, "gone 1");
    assert!(rig.devices().is_empty());
}

fn all_die_and_the_vault_brings_devices_back() {
    let rig = Rig::ready();
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    let (a, b) = (rig.pid_of(A), rig.pid_of(B));
    kill_process(b);
    kill_process(a);
    rig.wait("new process", || (!runs(a) && !runs(b)).then_some(()));
    let status = rig.wait_for_spare();
    assert_eq!(rig.devices().len(), 1);
    assert!(
        status
            .instances
            .iter()
            .all(|instance| instance.devices_mapped == 1)
    );
}

fn a_standby_that_does_not_map_is_dropped() {
    for what in ["hang", "refuse"] {
        let rig = Rig::ready();
        let pid = rig.pid_of(B);
        rig.fault(B, "map", what);
        rig.wish(device(1));
        rig.wait_for_line(A, "stored 1 1");
        rig.no_fault(B, "map");
        rig.wait("new standby", || (!runs(pid)).then_some(()));
        rig.wait_for_log("b is given up");
        rig.wait_for_spare();
        assert!(rig.devices()[0].mapped_by_standby);
    }
}

fn ports_come_and_go() {
    let rig = Rig::ready();
    let port = Port {
        name: "vm3".into(),
        socket: rig.socket("vm3"),
        mode: PortMode::Server,
    };
    let add = Request::PortAdd { port };
    assert!(matches!(rig.ask(&add), Response::Done));
    for id in InstanceId::BOTH {
        rig.wait_for_line(id, "port vm3 fds 1");
    }
    UnixStream::connect(rig.socket("vm3")).unwrap();
    let Response::Failed(failure) = rig.ask(&add) else {
        panic!("a port is added twice");
    };
    assert!(failure.reason.contains("vm3"), "{failure:?}");
    let del = Request::PortDel { name: "vm3".into() };
    assert!(matches!(rig.ask(&del), Response::Done));
    for id in InstanceId::BOTH {
        rig.wait_for_line(id, "no port 3");
    }
    assert!(!rig.socket("vm3").exists());
    assert!(matches!(rig.ask(&del), Response::Unknown { .. }));
}

fn a_reload_changes_ports() {
    let rig = Rig::ready();
    rig.rewrite_config(&["vm2", "vm7"]);
    let Response::Reloaded(report) = rig.ask(&Request::Reload) else {
        panic!("not reloaded: {}", rig.log());
    };
    assert_eq!(report.added, ["vm7"]);
    assert_eq!(report.removed, ["vm1"]);
    assert!(rig.socket("vm7").exists() && !rig.socket("vm1").exists());
    fs::write(rig.path().join("vm8.sock"), "mine").unwrap();
    rig.rewrite_config(&["vm2", "vm9", "vm8"]);
    assert!(matches!(rig.ask(&Request::Reload), Response::Failed(_)));
    assert!(rig.socket("vm7").exists() && !rig.socket("vm9").exists());
    rig.rewrite_config(&["vm2"]);
    rig.signal(Signal::SIGHUP);
    rig.wait_for_log("reloaded: added [], removed [\"vm7\"]");
    assert_eq!(rig.status().ports, 1);
}

fn nonsense_on_the_lifeline() {
    let rig = Rig::ready();
    let pid = rig.pid_of(A);
    rig.wish(Wish::Nonsense);
    rig.wait("new process", || (!runs(pid)).then_some(()));
    rig.wait_for_log("lifeline message");
    rig.wait_for_spare();
    assert_eq!(rig.status().active, Some(B));
}

fn a_second_supervisor_is_refused() {
    let rig = Rig::ready();
    let (status, log) = rig.start_second();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("already runs"), "{log}");
    assert!(rig.status().spare, "the first is not disturbed");
    assert!(rig.socket("vm1").exists());
}

fn a_path_in_use_is_named() {
    let rig = Rig::ready();
    let path = rig.path().join("taken.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let port = Port {
        name: "taken".into(),
        socket: path.clone(),
        mode: PortMode::Server,
    };
    let Response::Failed(failure) = rig.ask(&Request::PortAdd { port }) else {
        panic!("the path was taken");
    };
    assert!(
        failure.reason.contains(path.to_str().unwrap()),
        "{failure:?}"
    );
    assert!(failure.reason.contains("in use"), "{failure:?}");
    assert!(path.exists());
}

fn sigterm_leaves_nothing() {
    for hanging in [false, true] {
        let mut rig = Rig::ready();
        if hanging {
            rig.fault(A, "stop", "hang");
        }
        let pids = InstanceId::BOTH.map(|id| rig.pid_of(id));
        rig.signal(Signal::SIGTERM);
        if hanging {
            rig.wait("standby gone", || (!runs(pids[1])).then_some(()));
            rig.signal(Signal::SIGTERM);
        }
        assert_eq!(rig.end().code(), Some(0), "{}", rig.log());
        assert!(pids.iter().all(|&pid| !runs(pid)));
        assert!(!rig.socket("vm1").exists() && !rig.path().join("run/control.sock").exists());
    }
}
