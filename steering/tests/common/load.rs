//! A stream of frames from the wire, and where each of them arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steering::{Side, Steering};

use super::frames::Socket;

const FLIPS: usize = 200;
/// How long the old port is watched after a flip.
const WATCH: Duration = Duration::from_micros(300);
/// From one frame to the next: 66,000 a second.
const PERIOD: Duration = Duration::from_micros(15);
/// So few frames are under way that no queue of the kernel overflows while a thread is not scheduled.
const WINDOW: usize = 256;
/// More frames than can be under way arrive between two flips: some of them came by the new side.
const BETWEEN_FLIPS: usize = WINDOW + 50;
/// After this time without a frame the rest is lost.
const SILENCE: Duration = Duration::from_secs(5);

/// Steers back and forth while numbered frames come from the wire, then checks each of them.
pub(crate) fn flip_under_load(steering: &mut dyn Steering) {
    let mut receiver = Receiver::new();
    let sender = Sender::start(receiver.received.clone());
    let mut times = Times::default();
    for flip in 0..FLIPS {
        receiver.read(receiver.count() + BETWEEN_FLIPS);
        let from = Side::BOTH[flip % 2];
        steer_and_watch(steering, from, &receiver, &mut times);
    }
    receiver.read(receiver.count() + BETWEEN_FLIPS);
    let (sent, rate) = sender.stop();
    receiver.read(sent);

    times.print(rate);
    receiver.check(sent, FLIPS);
}

/// Steers away from `from`, then watches when frames still arrive there.
fn steer_and_watch(steering: &mut dyn Steering, from: Side, to: &Receiver, times: &mut Times) {
    let old = to.port(from);
    let start = Instant::now();
    steering.steer(from.other()).expect("steer");
    let done = Instant::now();
    old.arrived();
    let mut last = Duration::ZERO;
    while done.elapsed() < WATCH {
        if old.arrived() > 0 {
            last = done.elapsed();
        }
    }
    times.steer.push(done - start);
    times.in_flight.push(last);
}

/// Sends numbered frames into the wire until it is stopped.
struct Sender {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<(usize, f64)>,
}

impl Sender {
    fn start(received: Arc<AtomicU64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        Self {
            stop,
            thread: thread::spawn(move || send(&received, &stopped)),
        }
    }

    /// Frames sent, and frames a second.
    fn stop(self) -> (usize, f64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the sender")
    }
}

fn send(received: &AtomicU64, stop: &AtomicBool) -> (usize, f64) {
    let wire = Socket::open("wire");
    let start = Instant::now();
    let mut next = start;
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let room = sent - received.load(Ordering::Relaxed) < WINDOW as u64;
        if !room {
            thread::yield_now();
        } else if Instant::now() >= next && wire.send(sent) {
            sent += 1;
            next += PERIOD;
        }
    }
    (sent as usize, sent as f64 / start.elapsed().as_secs_f64())
}

/// Both instances' ends, and what arrived there.
struct Receiver {
    ports: [Socket; 2],
    arrivals: Vec<(Side, u64)>,
    received: Arc<AtomicU64>,
}

impl Receiver {
    fn new() -> Self {
        let ports = ["vf0i", "vf1i"].map(Socket::open);
        Self {
            ports,
            arrivals: Vec::new(),
            received: Arc::default(),
        }
    }

    fn port(&self, side: Side) -> &Socket {
        match side {
            Side::A => &self.ports[0],
            Side::B => &self.ports[1],
        }
    }

    fn count(&self) -> usize {
        self.arrivals.len()
    }

    /// Reads until `count` frames have arrived.
    fn read(&mut self, count: usize) {
        let mut last = Instant::now();
        while self.count() < count {
            let before = self.count();
            assert!(
                last.elapsed() < SILENCE,
                "frames are lost: {before} came of {count}"
            );
            for side in Side::BOTH {
                while let Some(number) = self.port(side).receive() {
                    self.arrivals.push((side, number));
                }
            }
            self.received.store(self.count() as u64, Ordering::Relaxed);
            if self.count() > before {
                last = Instant::now();
            } else {
                thread::yield_now();
            }
        }
    }

    /// Every frame once; in order on each port; and the port changes as often as it was steered.
    fn check(&self, sent: usize, flips: usize) {
        for side in Side::BOTH {
            let here = self.arrivals.iter().filter(|(at, _)| *at == side);
            assert!(
                here.map(|(_, number)| number).is_sorted(),
                "in order on port {side}"
            );
        }
        let mut all = self.arrivals.clone();
        all.sort_by_key(|(_, number)| *number);
        let numbers = all.iter().map(|(_, number)| *number);
        assert!(
            numbers.eq(0..sent as u64),
            "each of {sent} frames once; {} came",
            all.len()
        );
        let changes = all.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        assert_eq!(
            changes, flips,
            "old side up to the flip, new side from then on"
        );
    }
}

#[derive(Default)]
struct Times {
    steer: Vec<Duration>,
    in_flight: Vec<Duration>,
}

impl Times {
    fn print(mut self, rate: f64) {
        println!("{rate:.0} frames/s, {} flips", self.steer.len());
        for (what, times) in [
            ("steer()", &mut self.steer),
            ("in flight", &mut self.in_flight),
        ] {
            times.sort();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!(
                "{what}: median {:?}, p99 {:?}, max {:?}",
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
    }
}
