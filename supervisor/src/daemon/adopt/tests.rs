//! Introductions, good and bad. The process that is judged is a `sleep`, and this test speaks for it.

use super::super::DaemonError;
use super::*;
use rustix::process::{PidfdFlags, pidfd_open};
use std::process::{Child, Command};
use std::thread;
use vhost_transfer::device::SocketMode;
use vhost_transfer::ledger::LAYOUT_VERSION;
use vhost_transfer::message::{AddPort, FromInstance, Hello, Rejoin};
use vhost_transfer::{InstanceId, Ledger, MAX_PORTS, PortId, Term};

const SHORT: Duration = Duration::from_millis(100);
const PATIENCE: Patience = Patience {
    introduction: SHORT,
    spare: SHORT,
    active: Duration::from_millis(400),
    end: Duration::from_secs(10),
};

struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        Self(Command::new("sleep").arg("60").spawn().unwrap())
    }

    fn orphan(&self, instance: InstanceId) -> Orphan {
        let pid = Pid::from_child(&self.0);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        Orphan {
            instance,
            pid,
            pidfd,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rejoin(instance: InstanceId, standing: Standing) -> FromInstance {
    let hello = Hello {
        version: "test".into(),
        dpdk: "none".into(),
        ledger_layout: LAYOUT_VERSION,
    };
    FromInstance::Rejoin(Rejoin {
        instance,
        hello,
        standing,
        term: Term(77),
    })
}

fn a_port() -> FromInstance {
    FromInstance::Port(AddPort {
        port: PortId::new(1).unwrap(),
        name: "vm1".into(),
        mode: SocketMode::Client,
        path: "/nowhere/vm1.sock".into(),
    })
}

/// A lifeline on which `speak` has said something; the other end.
fn spoken(speak: impl FnOnce(&mut Lifeline)) -> (Lifeline, Lifeline) {
    let (ours, theirs) = Lifeline::pair().unwrap();
    let mut theirs = Lifeline::from_fd(theirs);
    speak(&mut theirs);
    (ours, theirs)
}

fn introduced(id: InstanceId, standing: Standing, ledger: &Ledger) -> (Lifeline, Lifeline) {
    spoken(|lifeline| {
        lifeline
            .send(&rejoin(id, standing), &[ledger.fd()])
            .unwrap();
        lifeline.send(&FromInstance::Rejoined, &[]).unwrap();
    })
}

#[test]
fn only_who_did_wrong_itself_is_killed() {
    type Speech = fn(&mut Lifeline, &Ledger);
    let theirs: &[(&str, Speech)] = &[
        ("silence", |_, _| {}),
        ("another id", |lifeline, ledger| {
            let wrong = rejoin(InstanceId::B, Standing::Active);
            lifeline.send(&wrong, &[ledger.fd()]).unwrap();
        }),
        ("no ledger", |lifeline, _| {
            let rejoin = rejoin(InstanceId::A, Standing::Active);
            lifeline.send(&rejoin, &[]).unwrap();
        }),
        ("no name", |lifeline, _| {
            lifeline.send(&FromInstance::Rejoined, &[]).unwrap();
        }),
        ("another word", |lifeline, ledger| {
            let rejoin = rejoin(InstanceId::A, Standing::Active);
            lifeline.send(&rejoin, &[ledger.fd()]).unwrap();
            lifeline.send(&FromInstance::StandingBy, &[]).unwrap();
        }),
        ("no end", |lifeline, ledger| {
            let rejoin = rejoin(InstanceId::A, Standing::Active);
            lifeline.send(&rejoin, &[ledger.fd()]).unwrap();
            lifeline.send(&a_port(), &[]).unwrap();
        }),
        ("too many ports", |lifeline, ledger| {
            let rejoin = rejoin(InstanceId::A, Standing::Active);
            lifeline.send(&rejoin, &[ledger.fd()]).unwrap();
            for _ in 0..=2 * MAX_PORTS {
                lifeline.send(&a_port(), &[]).unwrap();
            }
        }),
    ];
    for (what, speech) in theirs {
        let (outcome, lives) = meet_one(*speech);
        assert_eq!(outcome.unwrap(), 0, "{what}");
        assert!(!lives, "{what}");
    }
    let ours: &[(&str, Speech)] = &[
        ("no frame", |lifeline, _| {
            nix::unistd::write(&*lifeline, b"this is no message").unwrap();
        }),
        ("no ledger of this layout", |lifeline, _| {
            let rejoin = rejoin(InstanceId::A, Standing::Active);
            lifeline
                .send(&rejoin, &[tempfile::tempfile().unwrap().as_fd()])
                .unwrap();
        }),
    ];
    for (what, speech) in ours {
        let (outcome, lives) = meet_one(*speech);
        let error = outcome.unwrap_err();
        assert!(matches!(error, DaemonError::Adopt(_)), "{what}: {error}");
        assert!(lives, "{what}");
    }
}

/// How many were adopted, and whether the process lives.
fn meet_one(speech: fn(&mut Lifeline, &Ledger)) -> (Result<usize, DaemonError>, bool) {
    let mut process = Sleeper::new();
    let ledger = Ledger::create().unwrap();
    let mut adoption = Adoption::new(vec![process.orphan(InstanceId::A)], PATIENCE);
    let (ours, mut theirs) = spoken(|_| {});
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            speech(&mut theirs, &ledger);
            while theirs.wants_write() && theirs.flush().is_ok() {
                thread::yield_now();
            }
        });
        adoption.meet(process.pid(), ours)
    });
    let outcome = outcome.and_then(|()| adoption.end());
    (outcome.map(|adopted| adopted.len()), process.lives())
}

#[test]
fn one_that_stalls_takes_no_time_from_the_other() {
    let (mut a, mut b) = (Sleeper::new(), Sleeper::new());
    let ledger = Ledger::create().unwrap();
    let orphans = vec![b.orphan(InstanceId::B), a.orphan(InstanceId::A)];
    let patience = Patience {
        active: SHORT,
        ..PATIENCE
    };
    let mut adoption = Adoption::new(orphans, patience);
    let (ours, _stalls) = spoken(|_| {});
    adoption.meet(b.pid(), ours).unwrap();
    assert!(adoption.is_waiting() && !b.lives());
    let (ours, _theirs) = introduced(InstanceId::A, Standing::Active, &ledger);
    adoption.meet(a.pid(), ours).unwrap();
    assert_eq!(adoption.end().unwrap().len(), 1);
    assert!(a.lives());
}

#[test]
fn the_active_one_is_waited_for_longer() {
    let directory = tempfile::tempdir().unwrap();
    let listener = LifelineListener::bind(&directory.path().join("lifeline.sock")).unwrap();
    let mut process = Sleeper::new();
    let orphans = vec![process.orphan(InstanceId::A)];
    let begin = Instant::now();
    assert!(adopt(&listener, orphans, PATIENCE).unwrap().is_empty());
    assert!(begin.elapsed() >= PATIENCE.active && !process.lives());

    let (a, mut b) = (Sleeper::new(), Sleeper::new());
    let ledger = Ledger::create().unwrap();
    let orphans = vec![a.orphan(InstanceId::A), b.orphan(InstanceId::B)];
    let mut adoption = Adoption::new(orphans, PATIENCE);
    let (ours, _theirs) = introduced(InstanceId::A, Standing::Active, &ledger);
    adoption.meet(a.pid(), ours).unwrap();
    thread::sleep(SHORT);
    assert!(!adoption.is_waiting(), "a spare is not worth it");
    assert_eq!(adoption.end().unwrap().len(), 1);
    assert!(!b.lives());
}

#[test]
fn one_that_hangs_up_may_come_again() {
    let mut process = Sleeper::new();
    let ledger = Ledger::create().unwrap();
    let mut adoption = Adoption::new(vec![process.orphan(InstanceId::A)], PATIENCE);
    let (ours, theirs) = spoken(|_| {});
    drop(theirs);
    adoption.meet(process.pid(), ours).unwrap();
    assert!(adoption.is_waiting() && process.lives());
    let (ours, _theirs) = introduced(InstanceId::A, Standing::Standby, &ledger);
    adoption.meet(process.pid(), ours).unwrap();
    assert_eq!(adoption.end().unwrap().len(), 1);
    assert!(process.lives());
}

/// Which of the two are left, when both have introduced themselves so.
fn left(told: [(Standing, &Ledger); 2], prepare: impl Fn([i32; 2])) -> [bool; 2] {
    let mut processes = [Sleeper::new(), Sleeper::new()];
    let pids = [0, 1].map(|at: usize| processes[at].pid());
    prepare(pids.map(|pid| pid.as_raw_nonzero().get()));
    let orphans = [0, 1].map(|at: usize| processes[at].orphan(InstanceId::BOTH[at]));
    let mut adoption = Adoption::new(orphans.into(), PATIENCE);
    for (at, (standing, ledger)) in told.into_iter().enumerate() {
        let (ours, _theirs) = introduced(InstanceId::BOTH[at], standing, ledger);
        adoption.meet(pids[at], ours).unwrap();
    }
    let adopted = adoption.end().unwrap();
    let left = [0, 1].map(|at: usize| processes[at].lives());
    assert_eq!(adopted.len(), left.iter().filter(|&&lives| lives).count());
    left
}

#[test]
fn two_that_are_no_pair_are_not_both_kept() {
    use Standing::{Active, Standby};
    let [ledger, other] = [Ledger::create().unwrap(), Ledger::create().unwrap()];
    let nothing = |_: [i32; 2]| {};
    let pair = [(Active, &ledger), (Standby, &ledger)];
    assert_eq!(left(pair, nothing), [true, true]);
    let strangers = [(Standby, &ledger), (Active, &other)];
    assert_eq!(left(strangers, nothing), [false, true]);
    let strangers = [(Active, &ledger), (Standby, &other)];
    assert_eq!(left(strangers, nothing), [true, false]);
    let rivals = [(Active, &ledger), (Active, &ledger)];
    for owner in [0, 1] {
        let own = |pids: [i32; 2]| ledger.lane(0).thread.store(pids[owner], Relaxed);
        assert_eq!(left(rivals, own), [owner == 0, owner == 1]);
    }
}
