//! The lane lock between real processes: this test program starts itself again as the other one,
//! which maps the same ledger and takes orders on its standard input.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{LaneGuard, Predecessor};
use vhost_transfer::{Ledger, PortId, Term};

/// Longer than any healthy run takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);
const HANDOVERS: u64 = 1000;
/// Where the other process finds the ledger.
const PEER: &str = "VHOST_TRANSFER_TEST_LEDGER";

/// The other process; it dies with this value.
struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Peer {
    fn start(ledger: &Ledger) -> Self {
        let path = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            ledger.fd().as_raw_fd()
        );
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_other_process", "--ignored", "--nocapture"])
            .env(PEER, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, answers) = channel();
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            child,
            orders,
            answers,
        }
    }

    fn order(&mut self, what: &str) -> &mut Self {
        writeln!(self.orders, "{what}").unwrap();
        self
    }

    fn answer(&self) -> String {
        self.answers
            .recv_timeout(PATIENCE)
            .expect("the other process answers")
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test: what a [`Peer`] runs.
#[test]
#[ignore = "the other process of the tests in this file, which start it"]
fn the_other_process() {
    let Ok(path) = std::env::var(PEER) else {
        return;
    };
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let ledger = Ledger::open(file.into()).unwrap();
    let mut held = None;
    for order in std::io::stdin().lines() {
        let answer = match order.unwrap().as_str() {
            "take" => keep(ledger.lane(0).lock.acquire(PATIENCE).unwrap(), &mut held),
            "take soon" => keep(ledger.lane(0).lock.acquire(SHORT * 5).unwrap(), &mut held),
            "release" => {
                held = None;
                "released".to_owned()
            }
            "hand over" => format!("{} turns", take_turns(&ledger, 1)),
            unknown => panic!("{unknown}"),
        };
        eprintln!("{answer}");
    }
}

fn keep<'a>(guard: Option<LaneGuard<'a>>, held: &mut Option<LaneGuard<'a>>) -> String {
    let answer = match &guard {
        Some(guard) => format!("{:?}", guard.predecessor),
        None => "timeout".to_owned(),
    };
    *held = guard;
    answer
}

/// Takes the lane whenever it is this side's turn, and counts in a way that loses a turn when two
/// are in at a time.
fn take_turns(ledger: &Ledger, side: u64) -> u64 {
    let counter: &AtomicU64 = &ledger.counters(PortId::UPLINK).rx_packets;
    let mut turns = 0;
    loop {
        let guard = ledger
            .lane(0)
            .lock
            .acquire(PATIENCE)
            .unwrap()
            .expect("the lane goes round");
        let Term(term) = ledger.handover().term();
        if term >= 2 * HANDOVERS {
            return turns;
        }
        if term % 2 == side {
            let before = counter.load(Relaxed);
            std::hint::spin_loop();
            counter.store(before + 1, Relaxed);
            ledger.handover().begin(Term(term + 1));
            turns += 1;
        }
        drop(guard);
        thread::yield_now();
    }
}

/// What this process finds when it takes the lane.
fn taken(ledger: &Ledger) -> Option<Predecessor> {
    ledger
        .lane(0)
        .lock
        .acquire(PATIENCE)
        .unwrap()
        .map(|guard| guard.predecessor)
}

#[test]
fn a_killed_holder_leaves_the_lane_to_the_waiter() {
    let ledger = Ledger::create().unwrap();
    let mut peer = Peer::start(&ledger);
    assert_eq!(peer.order("take").answer(), "Released");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| (taken(&ledger), Instant::now()));
        thread::sleep(SHORT);
        assert!(!waiter.is_finished(), "the lane is held");
        let killed = Instant::now();
        peer.kill();
        let (found, at) = waiter.join().unwrap();
        assert_eq!(found, Some(Predecessor::Died));
        println!("from SIGKILL to the lane: {:?}", at - killed);
    });
    assert_eq!(peer.child.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert_eq!(
        taken(&ledger),
        Some(Predecessor::Released),
        "the lane is well again"
    );
}

#[test]
fn a_killed_holder_is_found_by_who_comes_later() {
    let ledger = Ledger::create().unwrap();
    let mut peer = Peer::start(&ledger);
    assert_eq!(peer.order("take").answer(), "Released");
    assert!(ledger.lane(0).lock.try_acquire().unwrap().is_none());
    peer.kill();
    peer.child.wait().unwrap();
    let guard = ledger.lane(0).lock.try_acquire().unwrap().expect("free");
    assert_eq!(guard.predecessor, Predecessor::Died);
}

#[test]
fn a_second_death_is_told_like_the_first() {
    let ledger = Ledger::create().unwrap();
    for found in ["Released", "Died", "Died"] {
        let mut peer = Peer::start(&ledger);
        assert_eq!(peer.order("take").answer(), found);
        peer.kill();
        peer.child.wait().unwrap();
    }
}

#[test]
fn a_released_lane_goes_to_the_waiter() {
    let ledger = Ledger::create().unwrap();
    let mut peer = Peer::start(&ledger);
    assert_eq!(peer.order("take").answer(), "Released");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| taken(&ledger));
        thread::sleep(SHORT);
        assert!(!waiter.is_finished(), "the lane is held");
        assert_eq!(peer.order("release").answer(), "released");
        assert_eq!(waiter.join().unwrap(), Some(Predecessor::Released));
    });
}

#[test]
fn a_held_lane_is_none_after_the_limit_and_not_before() {
    let ledger = Ledger::create().unwrap();
    let mut peer = Peer::start(&ledger);
    assert_eq!(peer.order("take").answer(), "Released");
    let start = Instant::now();
    assert!(ledger.lane(0).lock.acquire(SHORT).unwrap().is_none());
    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    assert!(
        ledger
            .lane(0)
            .lock
            .acquire(Duration::ZERO)
            .unwrap()
            .is_none()
    );
    assert!(
        ledger.lane(1).lock.try_acquire().unwrap().is_some(),
        "another lane is free"
    );
}

#[test]
fn one_of_two_waiters_gets_the_lane() {
    let ledger = Ledger::create().unwrap();
    let mut holder = Peer::start(&ledger);
    assert_eq!(holder.order("take").answer(), "Released");
    let mut waiters = [Peer::start(&ledger), Peer::start(&ledger)];
    for waiter in &mut waiters {
        waiter.order("take soon");
    }
    thread::sleep(SHORT);
    holder.kill();
    let mut found = waiters.each_ref().map(Peer::answer);
    found.sort();
    assert_eq!(found, ["Died", "timeout"]);
}

#[test]
fn a_thousand_handovers_are_one_at_a_time() {
    let ledger = Ledger::create().unwrap();
    let mut peer = Peer::start(&ledger);
    peer.order("hand over");
    assert_eq!(take_turns(&ledger, 0), HANDOVERS);
    assert_eq!(peer.answer(), format!("{HANDOVERS} turns"));
    let counted = ledger.counters(PortId::UPLINK).rx_packets.load(Relaxed);
    assert_eq!(counted, 2 * HANDOVERS, "no turn was lost to the other side");
    assert_eq!(ledger.handover().term(), Term(2 * HANDOVERS));
}

#[test]
fn a_limit_beyond_all_clocks_waits() {
    let ledger = Ledger::create().unwrap();
    let guard = ledger
        .lane(0)
        .lock
        .acquire(Duration::MAX)
        .unwrap()
        .expect("free");
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let lock = &ledger.lane(0).lock;
        scope.spawn(move || {
            sender.send(lock.acquire(Duration::MAX).unwrap().map(|g| g.predecessor))
        });
        assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        drop(guard);
        assert_eq!(
            receiver.recv_timeout(PATIENCE),
            Ok(Some(Predecessor::Released))
        );
    });
}

/// The ledger is dropped too: the thread's list of held locks must still lead somewhere.
#[test]
fn a_forgotten_guard_is_a_death_when_its_thread_ends() {
    let ledger = Ledger::create().unwrap();
    let other = ledger.fd().try_clone_to_owned().unwrap();
    thread::spawn(move || {
        let mine = Ledger::open(other).unwrap();
        std::mem::forget(mine.lane(0).lock.acquire(PATIENCE).unwrap());
        drop(mine);
    })
    .join()
    .unwrap();
    assert_eq!(taken(&ledger), Some(Predecessor::Died));
}

#[test]
fn a_watcher_sees_who_holds_the_lane() {
    let ledger = Ledger::create().unwrap();
    let lock = &ledger.lane(0).lock;
    assert_eq!(lock.holder(), None);
    let guard = lock.try_acquire().unwrap().unwrap();
    let me = std::process::id().cast_signed();
    let holder = lock.holder().unwrap();
    assert!(Path::new(&format!("/proc/{me}/task/{holder}")).exists());
    drop(guard);
    assert_eq!(lock.holder(), None);
}
