//! Hangs, poison, pins and storms, with fake instances.

use crate::device;
use crate::rig::{Rig, kill_process, runs};
use crate::wishes::Wish;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vhost_transfer::InstanceId::{A, B};
use vswsup::control::protocol::{EventKind, InstanceState, MoveKind};
use vswsup::control::{Request, Response};

fn kinds(rig: &Rig) -> Vec<EventKind> {
    rig.events().iter().map(|event| event.kind).collect()
}

pub(crate) fn hung_lane() {
    for (what, how) in [("loop", "endless loop"), ("hang", "blocked in the kernel")] {
        let rig = Rig::ready();
        rig.wish(device(1));
        rig.wait_for_line(A, "stored 1 1");
        rig.fault(A, "lane", what);
        rig.wait("failover", || {
            (rig.status().active == Some(B)).then_some(())
        });
        rig.no_fault(A, "lane");
        let (entry, report) = rig.last_failover();
        assert!(
            entry.cause.contains("lane 0") && entry.cause.contains(how),
            "{entry:?}"
        );
        assert_eq!(report.signal, Some(9));
        assert!(report.detection_us.unwrap() >= 200_000, "{report:?}");
        assert!(entry.freeze_us == Some(4.2), "{entry:?}");
        assert_eq!(report.devices, 1);
        assert!(kinds(&rig).contains(&EventKind::Hung));
        rig.wait_for_spare();
        assert_eq!(rig.devices().len(), 1);
    }
}

pub(crate) fn stopped() {
    let rig = Rig::ready();
    let pid = rig.pid_of(A);
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let (entry, _) = rig.last_failover();
    assert!(entry.cause.ends_with("stopped"), "{entry:?}");
    assert!(!runs(pid));
    rig.wait_for_spare();
    assert_eq!(rig.status().active, Some(B));
}

pub(crate) fn poison() {
    let rig = Rig::ready();
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    rig.fault(A, "poison", "1");
    let (entry, report) = rig.last_failover();
    assert_eq!(report.port.as_deref(), Some("vm1"), "{entry:?}");
    assert_eq!(report.signal, Some(6));
    rig.no_fault(A, "poison");
    rig.wait_for_spare();
    assert_eq!(rig.devices().len(), 1, "once is no proof");
    rig.fault(B, "poison", "1");
    rig.wait_for_log("in quarantine");
    rig.no_fault(B, "poison");
    let status = rig.wait_for_spare();
    assert!(
        status.trouble[0].contains("vswsup port release vm1"),
        "{:?}",
        status.trouble
    );
    assert!(rig.devices().is_empty() && !rig.socket("vm1").exists());
    let quarantined = |rig: &Rig| {
        let ports = rig.ports().into_iter();
        let names = ports.filter(|port| port.quarantined).map(|port| port.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(quarantined(&rig), ["vm1"]);
    assert!(rig.socket("vm2").exists(), "the others live");
    let history = rig.history().into_iter();
    assert!(
        history
            .map(|entry| entry.kind)
            .any(|kind| kind == MoveKind::Quarantine)
    );
    let release = Request::PortRelease { name: "vm1".into() };
    assert!(matches!(rig.ask(&release), Response::Done));
    assert!(
        matches!(rig.ask(&release), Response::Failed(_)),
        "it is back"
    );
    let unknown = Request::PortRelease { name: "vm9".into() };
    assert!(matches!(rig.ask(&unknown), Response::Unknown { .. }));
    assert!(quarantined(&rig).is_empty() && rig.socket("vm1").exists());
    assert!(rig.status().trouble.is_empty());
    rig.wish(device(1));
    rig.wait("device", || (rig.devices().len() == 1).then_some(()));
    rig.wish(Wish::Gone {
        port: crate::rig::port(1),
    });
}

pub(crate) fn pinned() {
    let rig = Rig::ready();
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    assert!(matches!(rig.ask(&Request::Pin), Response::Done));
    let status = rig.status();
    assert!(status.pinned && !status.spare);
    assert!(
        status.trouble[0].contains("vswsup unpin"),
        "{:?}",
        status.trouble
    );
    assert!(rig.promote().unwrap_err().reason.contains("vswsup unpin"));
    let pid = rig.pid_of(A);
    kill_process(pid);
    rig.wait("A to be started again", || {
        let of_a = &rig.status().instances[0];
        (of_a.state == InstanceState::Mapping && of_a.pid != Some(pid)).then_some(())
    });
    assert_eq!(rig.status().active, None);
    assert!(matches!(rig.ask(&Request::Unpin), Response::Done));
    rig.wait_for_spare();
    let status = rig.status();
    assert_eq!((status.active, status.pinned), (Some(B), false));
    assert_eq!(rig.devices().len(), 1);
}

pub(crate) fn storm() {
    let rig = Rig::ready();
    rig.fault(B, "start", "die");
    kill_process(rig.pid_of(B));
    rig.wait_for_log("b is given up after 5 deaths in a row");
    let status = rig.status();
    assert_eq!(status.instances[1].state, InstanceState::GivenUp);
    assert_eq!(status.active, Some(A));
    assert!(
        status.trouble[0].contains("vswsup reload"),
        "{:?}",
        status.trouble
    );
    assert_eq!(rig.command(&["status"]), Some(5));
    assert!(kinds(&rig).contains(&EventKind::GivenUp));
    rig.no_fault(B, "start");
    assert!(matches!(rig.ask(&Request::Reload), Response::Reloaded(_)));
    rig.wait_for_spare();
    assert_eq!(rig.command(&["status"]), Some(0));
}

pub(crate) fn two_storms() {
    let mut rig = Rig::ready();
    for id in [A, B] {
        rig.fault(id, "start", "die");
        kill_process(rig.pid_of(id));
    }
    assert_eq!(rig.end().code(), Some(5), "{}", rig.log());
    assert!(rig.log().contains("both instances are given up"));
}

pub(crate) fn record() {
    let rig = Rig::ready();
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    kill_process(rig.pid_of(A));
    let (entry, report) = rig.last_failover();
    assert_eq!((entry.from, entry.to, entry.term), (Some(A), Some(B), 2));
    assert_eq!(entry.cause, "a died: killed by signal 9");
    assert_eq!((report.signal, report.core_dumped), (Some(9), false));
    assert_eq!((report.devices, report.hang), (1, None));
    let events = rig.events();
    let active = events.iter().rfind(|event| event.kind == EventKind::Active);
    assert_eq!(active.unwrap().instance, Some(B));
    assert!(events.is_sorted_by_key(|event| event.number));
    let last = events.last().unwrap().number;
    let newer = Request::Events {
        after: last - 1,
        limit: 10,
    };
    let Response::Events(newer) = rig.ask(&newer) else {
        panic!("no events");
    };
    assert!(newer.iter().all(|event| event.number >= last));
}

pub(crate) fn babble() {
    let rig = Rig::ready();
    let of_kind = |kind| kinds(&rig).into_iter().filter(|&one| one == kind).count();
    let starts = || {
        let history = rig.history().into_iter();
        history
            .filter(|entry| entry.kind == MoveKind::Start)
            .count()
    };
    let (active, started) = (of_kind(EventKind::Active), starts());
    rig.wish(Wish::Babble);
    rig.wish(device(1));
    rig.wait_for_line(A, "stored 1 1");
    assert!((1..=20).contains(&of_kind(EventKind::Ignored)));
    assert_eq!((of_kind(EventKind::Active), starts()), (active, started));
    assert!(rig.log().contains("what else is ignored is not told"));
}
