//! The account of a run notices every fault, exactly: two fake endpoints with a wire that misbehaves.

mod emulator_support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use emulator_support::{one_at_a_time, start, wait_for_frames};
use vswsup_tests::emulator::{Endpoint, FlowReport, FlowSpec, Gap, Link, Plan, Report, Window};

/// What the wire does to the frame with a given number, counted in frames of the flow.
type Fault = fn(number: u64, frame: Vec<u8>, wire: &mut Wire);

/// Frames on their way in one direction.
#[derive(Default)]
struct Wire {
    frames: VecDeque<Vec<u8>>,
    held: Option<Vec<u8>>,
    reflected: Option<Vec<u8>>,
    number: u64,
    closed_until: Option<Instant>,
    full: bool,
}

/// One end of a pair of wires.
struct Fake {
    out: Arc<Mutex<Wire>>,
    back: Arc<Mutex<Wire>>,
    fault: Fault,
    link: Arc<Link>,
    announced: bool,
}

impl Fake {
    fn pair(fault: Fault) -> (Box<Self>, Box<Self>) {
        let [there, back] = [(); 2].map(|()| Arc::new(Mutex::new(Wire::default())));
        let end = |out: &Arc<Mutex<Wire>>, back: &Arc<Mutex<Wire>>, fault| {
            let (out, back, link) = (out.clone(), back.clone(), Link::always_up());
            Box::new(Fake {
                out,
                back,
                fault,
                link,
                announced: false,
            })
        };
        (end(&there, &back, fault), end(&back, &there, deliver))
    }
}

impl Endpoint for Fake {
    fn send(&mut self, frame: &[u8]) -> bool {
        let mut wire = self.out.lock().unwrap();
        if wire.full {
            return false;
        }
        let frame = frame.to_vec();
        if !is_numbered(&frame) {
            wire.frames.push_back(frame);
            return true;
        }
        let number = wire.number;
        wire.number += 1;
        (self.fault)(number, frame, &mut wire);
        self.back
            .lock()
            .unwrap()
            .frames
            .extend(wire.reflected.take());
        true
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let mut wire = self.back.lock().unwrap();
        if wire
            .closed_until
            .is_some_and(|until| Instant::now() < until)
        {
            return None;
        }
        let bytes = wire.frames.pop_front()?;
        frame[..bytes.len()].copy_from_slice(&bytes);
        Some(bytes.len())
    }

    fn flush(&mut self) {}

    fn adopt_link(&mut self) -> bool {
        !std::mem::replace(&mut self.announced, true)
    }

    fn link(&self) -> Arc<Link> {
        self.link.clone()
    }
}

/// Neither an announcement nor a probe: bytes 18 and 19 are the flow, 22 to 29 the sequence number.
fn is_numbered(frame: &[u8]) -> bool {
    frame[18..20] != [0xff; 2] && frame[22..30] != [0xff; 8]
}

fn deliver(_: u64, frame: Vec<u8>, wire: &mut Wire) {
    wire.frames.push_back(frame);
}

fn measure(fault: Fault) -> Report {
    let (a, b) = Fake::pair(fault);
    let flow = FlowSpec::steady("a to b", "a", "b", 10_000, 64);
    let running = start(Plan::new().endpoint("a", a).endpoint("b", b).flow(flow));
    wait_for_frames(&running, 0, 1000);
    running.stop().unwrap()
}

fn run(fault: Fault) -> FlowReport {
    let flow = measure(fault).flows[0].clone();
    println!("{flow}");
    flow
}

#[test]
fn a_good_wire_is_exact() {
    let _turn = one_at_a_time();
    let flow = run(deliver);
    assert!(flow.is_exact());
    assert_eq!(flow.sent, flow.received);
    assert_eq!((flow.refused, flow.strayed), (0, 0));
}

#[test]
fn dropped_frames_are_lost() {
    let _turn = one_at_a_time();
    let flow = run(|number, frame, wire| {
        if number % 50 != 7 {
            wire.frames.push_back(frame);
        }
    });
    assert_eq!(flow.lost, (flow.sent + 42) / 50);
    assert_eq!(flow.doubled + flow.reordered + flow.corrupted, 0);
}

#[test]
fn repeated_frames_are_doubled() {
    let _turn = one_at_a_time();
    let flow = run(|number, frame, wire| {
        if number == 20 || number == 30 {
            wire.frames.push_back(frame.clone());
        }
        wire.frames.push_back(frame);
    });
    assert_eq!(
        (flow.lost, flow.doubled, flow.reordered, flow.corrupted),
        (0, 2, 0, 0)
    );
}

#[test]
fn swapped_frames_are_reordered() {
    let _turn = one_at_a_time();
    let flow = run(|number, frame, wire| {
        if [10, 40, 70].contains(&number) {
            wire.held = Some(frame);
        } else {
            wire.frames.push_back(frame);
            let held = wire.held.take();
            wire.frames.extend(held);
        }
    });
    assert_eq!(
        (flow.lost, flow.doubled, flow.reordered, flow.corrupted),
        (0, 0, 3, 0)
    );
}

#[test]
fn changed_frames_are_corrupted_and_lost() {
    let _turn = one_at_a_time();
    let flow = run(|number, mut frame, wire| {
        if number == 33 {
            frame[50] ^= 1;
        }
        wire.frames.push_back(frame);
    });
    assert_eq!(
        (flow.lost, flow.doubled, flow.reordered, flow.corrupted),
        (1, 0, 0, 1)
    );
}

#[test]
fn frames_that_come_back_are_strays() {
    let _turn = one_at_a_time();
    let flow = run(|number, frame, wire| {
        wire.reflected = [33, 44].contains(&number).then(|| frame.clone());
        wire.frames.push_back(frame);
    });
    assert_eq!((flow.lost, flow.doubled, flow.strayed), (0, 0, 2));
}

#[test]
fn what_is_refused_is_not_lost() {
    let _turn = one_at_a_time();
    let flow = run(|number, frame, wire| {
        wire.frames.push_back(frame);
        wire.full = number == 199;
    });
    assert_eq!((flow.sent, flow.received, flow.lost), (200, 200, 0));
    assert!(flow.refused >= 800, "{flow}");
}

#[test]
fn a_silence_is_the_longest_gap_and_where_it_was() {
    let _turn = one_at_a_time();
    const SILENCE: Duration = Duration::from_millis(70);
    let silence: Fault = |number, frame, wire| {
        if number == 100 {
            wire.closed_until = Some(Instant::now() + SILENCE);
        }
        wire.frames.push_back(frame);
    };
    let report = measure(silence);
    let flow = &report.flows[0];
    let gap = flow.blackout(Window::EVER).unwrap();
    let stalled: u64 = report
        .stalls
        .within(gap.window())
        .iter()
        .map(Gap::length)
        .sum();
    let excess =
        u128::from(gap.length() - stalled.min(gap.length())).checked_sub(SILENCE.as_nanos());
    println!("{gap:?}, of which the instrument stalled {stalled} ns");
    assert!(u128::from(gap.length()) >= SILENCE.as_nanos());
    assert!(
        excess.unwrap_or(0) < 5_000_000,
        "what is longer is the instrument's doing"
    );
    assert_eq!(
        flow.blackout(Window::new(gap.from + 1000, gap.from + 2000))
            .unwrap(),
        gap
    );
    assert!(flow.is_exact(), "{flow}");
}

#[test]
fn a_stalled_instrument_makes_the_run_void() {
    let _turn = one_at_a_time();
    let stall: Fault = |number, frame, wire| {
        if number == 100 {
            sleep(Duration::from_millis(95));
        }
        wire.frames.push_back(frame);
    };
    let report = measure(stall);
    let flow = &report.flows[0];
    assert!(
        report
            .void()
            .is_some_and(|reason| reason.contains("stalled"))
    );
    assert!(flow.skipped > 0 && flow.is_exact(), "{flow}");
    assert!(
        report
            .stalls
            .longest(flow.view.arrivals.duration())
            .length()
            >= 95_000_000
    );
}

#[test]
fn flows_and_endpoints_come_and_go_while_others_run() {
    let _turn = one_at_a_time();
    let (a, b) = Fake::pair(deliver);
    let (c, d) = Fake::pair(deliver);
    let first = FlowSpec::steady("a to b", "a", "b", 10_000, 64);
    let second = FlowSpec::steady("c to d", "c", "d", 10_000, 64);
    let mut running = start(Plan::new().endpoint("a", a).endpoint("b", b).flow(first));
    running.add_endpoint("c", c).unwrap();
    running.add_endpoint("d", d).unwrap();
    assert!(
        running.add_endpoint("d", Fake::pair(deliver).0).is_err(),
        "the name is taken"
    );
    running.add_flow(second).unwrap();
    running.start_flows(emulator_support::START_LIMIT).unwrap();
    wait_for_frames(&running, 1, 300);
    running.remove("c").unwrap();
    assert!(running.remove("c").is_err(), "it is gone");
    let stopped = running.flows()[1].counters.sent.get();
    wait_for_frames(&running, 0, running.flows()[0].counters.sent.get() + 300);
    let report = running.stop().unwrap();
    report.flows.iter().for_each(|flow| println!("{flow}"));
    assert!(report.flows.iter().all(FlowReport::is_exact));
    assert_eq!(report.flow("c to d").unwrap().sent, stopped);
}

#[test]
fn a_path_that_stays_closed_is_named() {
    let _turn = one_at_a_time();
    let (a, _) = Fake::pair(deliver);
    let (_, b) = Fake::pair(deliver);
    let flow = FlowSpec::steady("a to b", "a", "b", 10_000, 64);
    let plan = Plan::new().endpoint("a", a).endpoint("b", b).flow(flow);
    let running = vswsup_tests::emulator::Instrument::start(plan).unwrap();
    let error = running.start_flows(Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not connected within 50ms: a to b: no probe arrives"
    );
}
