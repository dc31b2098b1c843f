//! Two real instances whose supervisor is a script of a few lines: the handover as the lanes do it,
//! with real guests, and nothing above.

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vhost_transfer::device::SocketMode;
use vhost_transfer::lifeline::Received;
use vhost_transfer::message::*;
use vhost_transfer::{InstanceId, Ledger, Lifeline, PortId, Term};
use vswsup_tests::emulator::{FlowReport, FlowSpec, GuestSpec, Instrument, Plan, Running, Socket};
use vswsup_tests::rig::{Programs, require_root};

const PATIENCE: Duration = Duration::from_secs(20);
const PROMOTES: u64 = 20;
/// Packets that a lane has in hand: see docs/architecture.md.
const BURST: u64 = 32;

struct Scripted {
    child: Child,
    lifeline: Lifeline,
}

impl Scripted {
    fn start(
        program: &Path,
        id: InstanceId,
        lane_cpus: &[u16],
        ledger: &Ledger,
        listeners: &[UnixListener],
    ) -> Self {
        let (lifeline, theirs) = Lifeline::pair().unwrap();
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let number = theirs.as_raw_fd().to_string();
        let child = Command::new(program)
            .args(["--lifeline-fd", &number])
            .spawn()
            .unwrap();
        drop(theirs);
        let mut instance = Self { child, lifeline };
        instance.expect(|word| matches!(word, FromInstance::Hello(_)));
        let setup = Setup {
            instance: id,
            lane_cpus: lane_cpus.to_vec(),
            poll: Poll::Adaptive,
            memory_mib: 64,
            hugepages: false,
            file_prefix: format!("pair-{}-{id}", std::process::id()),
            uplink: None,
            mac_aging_s: 300,
            drain_us: 30,
            rejoin_at: None,
            memory_files: None,
            uplink_later: None,
            first_packet: None,
        };
        instance
            .lifeline
            .send(&ToInstance::Setup(setup), &[ledger.fd()])
            .unwrap();
        for (number, listener) in (1..).zip(listeners) {
            let port = AddPort {
                port: PortId::new(number).unwrap(),
                name: format!("vm{number}"),
                mode: SocketMode::Server,
                path: String::new(),
            };
            instance
                .lifeline
                .send(&ToInstance::AddPort(port), &[listener.as_fd()])
                .unwrap();
        }
        instance.expect(|word| matches!(word, FromInstance::Warm(_)));
        instance
    }

    fn tell(&mut self, order: ToInstance) {
        self.lifeline.send(&order, &[]).unwrap();
    }

    fn hear(&mut self, limit: Duration) -> Option<(FromInstance, Vec<OwnedFd>)> {
        let until = Instant::now() + limit;
        loop {
            if let Some(Received { message, fds }) = self.lifeline.receive().unwrap() {
                return Some((message, fds));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let mut readable = [PollFd::new(self.lifeline.as_fd(), PollFlags::POLLIN)];
            poll(&mut readable, PollTimeout::try_from(left).unwrap()).unwrap();
        }
    }

    fn expect(&mut self, wanted: impl Fn(&FromInstance) -> bool) -> FromInstance {
        loop {
            let (word, _) = self.hear(PATIENCE).expect("the instance says nothing more");
            if wanted(&word) {
                return word;
            }
            eprintln!("meanwhile: {word:?}");
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards what `active` stores to `standby`, until nothing has come for a while.
fn mirror_devices(active: &mut Scripted, standby: &mut Scripted) {
    while let Some((word, fds)) = active.hear(Duration::from_millis(500)) {
        let FromInstance::Device(update) = word else {
            panic!("the active instance says {word:?}");
        };
        let (port, revision) = (update.port, update.revision);
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        standby
            .lifeline
            .send(&ToInstance::Device(update), &borrowed)
            .unwrap();
        let mapped = standby.expect(|word| matches!(word, FromInstance::Mapped(_)));
        let expected = Mapped {
            port,
            revision,
            trouble: None,
        };
        assert_eq!(mapped, FromInstance::Mapped(expected));
        active.tell(ToInstance::Stored(Revision { port, revision }));
    }
}

#[test]
fn a_lane_changes_hands_under_traffic_without_a_trace() {
    promote_under_traffic(&[0]);
}

#[test]
fn two_lanes_change_hands_together() {
    promote_under_traffic(&[0, 0]);
}

#[test]
fn a_killed_instance_loses_at_most_what_it_had_in_hand() {
    die_under_traffic(Signal::SIGKILL);
}

#[test]
fn a_crashed_instance_lets_go_before_it_is_dumped() {
    die_under_traffic(Signal::SIGSEGV);
}

/// Two instances with two guests that send to each other.
struct Pair {
    active: Scripted,
    standby: Scripted,
    ledger: Ledger,
    running: Running,
    _dir: TempDir,
}

impl Pair {
    fn start(lane_cpus: &[u16]) -> Self {
        require_root().unwrap();
        let program = Programs::find().unwrap().vswitch;
        let dir = tempfile::tempdir().unwrap();
        let socket = |number: u16| dir.path().join(format!("vm{number}.sock"));
        let listeners: Vec<_> = (1..=2)
            .map(|number| UnixListener::bind(socket(number)).unwrap())
            .collect();
        let ledger = Ledger::create().unwrap();
        let mut active = Scripted::start(&program, InstanceId::A, lane_cpus, &ledger, &listeners);
        let mut standby = Scripted::start(&program, InstanceId::B, lane_cpus, &ledger, &listeners);
        active.tell(ToInstance::Activate(TermRef { term: Term(1) }));
        active.expect(|word| matches!(word, FromInstance::Active(_)));
        standby.tell(ToInstance::StandBy);
        standby.expect(|word| matches!(word, FromInstance::StandingBy));

        let plan = Plan::new()
            .guest("vm1", GuestSpec::new(Socket::Client(socket(1))))
            .guest("vm2", GuestSpec::new(Socket::Client(socket(2))))
            .flow(FlowSpec::steady("1 to 2", "vm1", "vm2", 50_000, 64))
            .flow(FlowSpec::steady("2 to 1", "vm2", "vm1", 50_000, 64));
        let running = Instrument::start(plan).unwrap();
        mirror_devices(&mut active, &mut standby);
        running.wait_for_links(PATIENCE).unwrap();
        running.start_flows(PATIENCE).unwrap();
        Self {
            active,
            standby,
            ledger,
            running,
            _dir: dir,
        }
    }

    fn promote(&mut self, term: Term) {
        let Self {
            active,
            standby,
            ledger,
            ..
        } = self;
        standby.tell(ToInstance::Prepare(TermRef { term }));
        standby.expect(|word| *word == FromInstance::Prepared(TermRef { term }));
        active.tell(ToInstance::Quiesce(Quiesce {
            term,
            reconnect: false,
        }));
        active.expect(|word| *word == FromInstance::Quiesced(TermRef { term }));
        ledger.handover().release_for(term);
        let begun = standby.expect(|word| matches!(word, FromInstance::Active(_)));
        println!("{begun:?}");
        active.expect(|word| matches!(word, FromInstance::Released(_)));
        active.tell(ToInstance::StandBy);
        active.expect(|word| matches!(word, FromInstance::StandingBy));
        std::mem::swap(active, standby);
    }

    /// Ends the flows; no guest may have been disconnected.
    fn finish(self) -> Vec<FlowReport> {
        let report = self.running.stop().unwrap();
        for flow in &report.flows {
            println!("{flow}");
            assert_eq!(
                (flow.disconnects, flow.reordered, flow.corrupted),
                (0, 0, 0),
                "{}",
                flow.name
            );
        }
        report.flows
    }
}

fn promote_under_traffic(lane_cpus: &[u16]) {
    let mut pair = Pair::start(lane_cpus);
    for promote in 1..=PROMOTES {
        std::thread::sleep(Duration::from_millis(50));
        pair.promote(Term(promote + 1));
    }
    for flow in pair.finish() {
        assert!(flow.received > 0, "{}", flow.name);
        assert_eq!((flow.lost, flow.doubled), (0, 0), "{}", flow.name);
    }
}

fn die_under_traffic(signal: Signal) {
    let mut pair = Pair::start(&[0]);
    std::thread::sleep(Duration::from_millis(200));
    let before: Vec<_> = pair
        .running
        .flows()
        .iter()
        .map(|flow| flow.counters.received.get())
        .collect();
    kill(Pid::from_raw(pair.active.child.id() as i32), signal).unwrap();
    let taken_over = pair
        .standby
        .expect(|word| matches!(word, FromInstance::Active(_)));
    let FromInstance::Active(Active {
        term,
        after_death,
        freeze_ns,
    }) = taken_over
    else {
        unreachable!("it was waited for");
    };
    assert_eq!((term, after_death), (Term(2), true));
    assert!(freeze_ns.is_some_and(|freeze| freeze > 0), "{freeze_ns:?}");
    let death = pair.ledger.instance(InstanceId::A).take_death();
    let noted = death.map(|death| i32::from(death.signal));
    let expected = (signal != Signal::SIGKILL).then_some(signal as i32);
    assert_eq!(noted, expected, "what the ledger says it died of");
    std::thread::sleep(Duration::from_millis(200));
    for (flow, before) in pair.finish().iter().zip(before) {
        assert!(flow.received > before, "{} has gone on", flow.name);
        assert!(flow.lost <= BURST && flow.doubled <= BURST, "{flow}");
    }
}
