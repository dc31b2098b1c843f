//! Uplinks that are taken away and put back, with fake instances. Needs root, `ip` and `unshare`.

use crate::rig::{Rig, runs};
use vhost_transfer::InstanceId::{A, B};
use vswsup::control::protocol::{EventKind, MoveKind, Outcome, UplinkHealth};

pub(crate) fn active_loses_its_uplink() {
    let rig = Rig::with_uplinks();
    let pid = rig.pid_of(A);
    rig.ip("link del vf0");
    rig.wait("move", || (rig.status().active == Some(B)).then_some(()));
    let entry = rig.wait("entry", || {
        let mut history = rig.history().into_iter();
        history.find(|entry| entry.kind == MoveKind::Escape)
    });
    assert_eq!((entry.from, entry.to), (Some(A), Some(B)));
    assert_eq!(entry.outcome, Outcome::Done);
    let why = "the uplink of a is gone: there is no network device `vf0` any more";
    assert!(entry.cause.starts_with(why), "{entry:?}");
    rig.wait("end of a", || (!runs(pid)).then_some(()));

    let status = rig.wait("trouble", || {
        let status = rig.status();
        (status.instances[0].pid.is_none()).then_some(status)
    });
    assert!(!status.spare);
    let told = |text: &str| status.trouble.iter().any(|line| line.starts_with(text));
    assert!(told("uplink of a: gone: "), "{:?}", status.trouble);
    let uplinks = status.instances.iter().map(|instance| {
        let uplink = instance.uplink.as_ref().unwrap();
        (uplink.device.as_str(), uplink.health)
    });
    assert_eq!(
        uplinks.collect::<Vec<_>>(),
        [
            ("net_af_packet0,iface=vf0", UplinkHealth::Gone),
            ("net_af_packet0,iface=vf1", UplinkHealth::Well)
        ]
    );
    let deaths = |rig: &Rig| {
        let events = rig.events().into_iter();
        events
            .filter(|event| event.kind == EventKind::Ended)
            .count()
    };
    let before = deaths(&rig);

    rig.ip("link add vf0 type veth peer name wire0");
    let status = rig.wait_for_spare();
    assert_eq!((status.active, status.trouble.len()), (Some(B), 0));
    assert_eq!(deaths(&rig), before, "it was not tried in between");
    assert_eq!(rig.promote().unwrap().to, A);
}

pub(crate) fn standby_loses_its_uplink() {
    let rig = Rig::with_uplinks();
    let pid = rig.pid_of(B);
    rig.ip("link del vf1");
    rig.wait("end of b", || (!runs(pid)).then_some(()));
    let refused = rig.promote().unwrap_err();
    assert!(
        refused.reason.contains("b is no warm standby"),
        "{refused:?}"
    );
    assert_eq!(rig.status().active, Some(A));
    let escapes = rig.history().into_iter();
    assert_eq!(
        escapes
            .filter(|entry| entry.kind == MoveKind::Escape)
            .count(),
        0
    );
    rig.ip("link add vf1 type veth peer name wire1");
    rig.wait_for_spare();
}

pub(crate) fn both_lose_theirs() {
    let rig = Rig::with_uplinks();
    let pids = [A, B].map(|id| rig.pid_of(id));
    rig.ip("link del group 7");
    rig.wait("loss", || {
        let uplinks = rig.status().instances;
        let gone = |uplink: &_| {
            matches!(
                uplink,
                Some(vswsup::control::protocol::UplinkReport {
                    health: UplinkHealth::Gone,
                    ..
                })
            )
        };
        uplinks
            .iter()
            .all(|instance| gone(&instance.uplink))
            .then_some(())
    });
    let status = rig.status();
    let active = status.active.expect("guests reach each other");
    assert!(runs(pids[active as usize]));
}
