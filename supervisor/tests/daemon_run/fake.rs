//! A fake instance: the real lifeline, the real ledger with its lane lock, and no switch. It does
//! what it is told, and fails where the test wants it to.

use crate::wishes::{self, Wish};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{getppid, gettid};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{park, sleep, spawn};
use std::time::{Duration, Instant};
use vhost_transfer::ledger::{Death, LAYOUT_VERSION, Predecessor};
use vhost_transfer::lifeline::Received;
use vhost_transfer::message::*;
use vhost_transfer::{InstanceId, Ledger, Lifeline, PortId, Term};

const PAUSE: Duration = Duration::from_micros(500);
/// Words of one that babbles, each of two kinds: more than all events that are kept.
const BABBLE: usize = 1500;
/// Longer than the real one waits, since the other fake may have to wait for a CPU.
const BEFORE_TAKING_BACK: Duration = Duration::from_secs(1);

/// Lives an instance's life at the end of the lifeline.
pub(crate) fn live(lifeline: RawFd) -> ! {
    // SAFETY: the supervisor gave this fd to this process, and nobody else here knows of it.
    let lifeline = Lifeline::from_fd(unsafe { OwnedFd::from_raw_fd(lifeline) });
    spawn(leave_with_parent);
    let mut fake = Fake::greet(lifeline);
    loop {
        fake.turn();
        sleep(PAUSE);
    }
}

/// Also one that hangs must not outlive its test.
fn leave_with_parent() {
    let parent = getppid();
    while getppid() == parent {
        sleep(20 * PAUSE);
    }
    std::process::exit(1);
}

enum LaneEvent {
    Began { term: Term, after_death: bool },
    LetGo { next: Term },
}

struct Fake {
    id: InstanceId,
    lifeline: Lifeline,
    contends: Arc<AtomicBool>,
    lane: Receiver<LaneEvent>,
    active: bool,
}

impl Fake {
    fn greet(mut lifeline: Lifeline) -> Self {
        let hello = Hello {
            version: "fake".into(),
            dpdk: "none".into(),
            ledger_layout: LAYOUT_VERSION,
        };
        say(&mut lifeline, FromInstance::Hello(hello), &[]);
        let (setup, ledger) = loop {
            if let Some(Received { message, mut fds }) = hear(&mut lifeline) {
                let ToInstance::Setup(setup) = message else {
                    panic!("{message:?} before the setup");
                };
                break (setup, Ledger::open(fds.remove(0)).unwrap());
            }
            sleep(PAUSE);
        };
        let id = setup.instance;
        fail_if_wished(id, "start");
        let contends = Arc::new(AtomicBool::new(false));
        let (tell, lane) = channel();
        let shared = Arc::clone(&contends);
        spawn(move || run_lane(id, &ledger, &shared, &tell));
        let phases = vec![Phase {
            name: "fake".into(),
            us: 1,
            at_us: Some(0),
        }];
        let uplink_mac = None;
        say(
            &mut lifeline,
            FromInstance::Warm(Warm { uplink_mac, phases }),
            &[],
        );
        Self {
            id,
            lifeline,
            contends,
            lane,
            active: false,
        }
    }

    fn turn(&mut self) {
        while let Some(received) = hear(&mut self.lifeline) {
            self.obey(received);
        }
        while let Ok(event) = self.lane.try_recv() {
            self.tell_of(event);
        }
        if self.active {
            wishes::take(self.id)
                .into_iter()
                .for_each(|wish| self.fulfil(wish));
        }
        self.lifeline.flush().unwrap();
    }

    fn say(&mut self, message: FromInstance) {
        say(&mut self.lifeline, message, &[]);
    }

    fn obey(&mut self, received: Received<ToInstance>) {
        let count = received.fds.len();
        match received.message {
            ToInstance::Setup(_) => panic!("a second setup"),
            ToInstance::AddPort(port) => self.log(&format!("port {} fds {count}", port.name)),
            ToInstance::RemovePort(port) => self.log(&format!("no port {}", port.port)),
            ToInstance::Device(update) => self.map(update, count),
            ToInstance::DeviceGone(port) => self.log(&format!("gone {}", port.port)),
            ToInstance::Stored(stored) => {
                self.log(&format!("stored {} {}", stored.port, stored.revision));
            }
            ToInstance::StandBy => {
                self.contends.store(true, SeqCst);
                self.say(FromInstance::StandingBy);
            }
            ToInstance::Activate(_) => self.contends.store(true, SeqCst),
            ToInstance::Prepare(TermRef { term }) => {
                self.answer("prepare", term, FromInstance::Prepared(TermRef { term }));
                fail_if_wished(self.id, "prepared");
            }
            ToInstance::Quiesce(Quiesce { term, .. }) => {
                self.answer("quiesce", term, FromInstance::Quiesced(TermRef { term }));
            }
            ToInstance::Abort(TermRef { term }) => {
                fail_if_wished(self.id, "abort");
                self.say(FromInstance::Aborted(Aborted { term, discarded: 7 }));
            }
            ToInstance::OpenUplink => self.say(FromInstance::UplinkOpened(UplinkOpened {
                trouble: fail_if_wished(self.id, "open").then(|| "told to refuse".into()),
                phases: Vec::new(),
            })),
            ToInstance::CloseUplink => self.say(FromInstance::UplinkClosed),
            ToInstance::StandDown => {
                self.contends.store(false, SeqCst);
                self.say(FromInstance::StoodDown);
            }
            ToInstance::Stop => {
                fail_if_wished(self.id, "stop");
                std::process::exit(0);
            }
        }
    }

    fn answer(&mut self, phase: &str, term: Term, answer: FromInstance) {
        if fail_if_wished(self.id, phase) {
            let reason = format!("told to refuse to {phase}");
            self.say(FromInstance::Refused(Refused { term, reason }));
        } else {
            self.say(answer);
        }
    }

    fn map(&mut self, update: DeviceUpdate, fds: usize) {
        let DeviceUpdate {
            port,
            revision,
            packed,
            ..
        } = update;
        self.log(&format!(
            "device {port} {revision} bytes {} fds {fds}",
            packed.len()
        ));
        let trouble = fail_if_wished(self.id, "map").then(|| "told to refuse to map".to_string());
        self.say(FromInstance::Mapped(Mapped {
            port,
            revision,
            trouble,
        }));
    }

    fn tell_of(&mut self, event: LaneEvent) {
        match event {
            LaneEvent::Began { term, after_death } => {
                self.active = true;
                let freeze_ns = (term > Term(1)).then_some(4200);
                self.say(FromInstance::Active(Active {
                    term,
                    after_death,
                    freeze_ns,
                }));
            }
            LaneEvent::LetGo { next } => {
                self.active = false;
                let drained = 3;
                self.say(FromInstance::Released(Released {
                    term: next,
                    drained,
                }));
            }
        }
    }

    fn fulfil(&mut self, wish: Wish) {
        match wish {
            Wish::Device {
                port,
                revision,
                fds,
            } => self.change(port, revision, fds),
            Wish::Gone { port } => {
                let trouble = None;
                self.say(FromInstance::DeviceGone(DeviceGone { port, trouble }));
            }
            Wish::Babble => {
                for _ in 0..BABBLE {
                    self.say(FromInstance::StandingBy);
                    self.say(FromInstance::Warm(Warm {
                        uplink_mac: None,
                        phases: Vec::new(),
                    }));
                }
            }
            Wish::Nonsense => {
                let socket = self.lifeline.as_fd().try_clone_to_owned().unwrap();
                nix::unistd::write(&socket, b"this is no message").unwrap();
            }
        }
    }

    fn change(&mut self, port: PortId, revision: u64, fds: usize) {
        let summary = DeviceSummary {
            rings_running: 2,
            ..DeviceSummary::default()
        };
        let packed = vec![revision as u8; 100].into();
        let update = DeviceUpdate {
            port,
            revision,
            summary,
            packed,
        };
        let file = std::fs::File::open("/dev/null").unwrap();
        let fds = vec![file.as_fd(); fds];
        say(&mut self.lifeline, FromInstance::Device(update), &fds);
    }

    fn log(&self, line: &str) {
        wishes::log(self.id, line);
    }
}

fn say(lifeline: &mut Lifeline, message: FromInstance, fds: &[std::os::fd::BorrowedFd<'_>]) {
    if lifeline.send(&message, fds).is_err() {
        std::process::exit(1);
    }
}

fn hear(lifeline: &mut Lifeline) -> Option<Received<ToInstance>> {
    lifeline.receive().unwrap_or_else(|_| std::process::exit(1))
}

/// True: it is to refuse. It does not come back when it is to die or to hang.
fn fail_if_wished(id: InstanceId, phase: &str) -> bool {
    match wishes::fault(id, phase).as_deref() {
        Some("refuse") => true,
        Some("die") => std::process::abort(),
        Some("hang") => loop {
            park();
        },
        Some(_) | None => false,
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    Duration::from(now).as_nanos() as u64
}

fn die_over_a_port_if_wished(id: InstanceId, ledger: &Ledger) {
    if let Some(number) = wishes::fault(id, "poison") {
        let port = PortId::new(number.parse().unwrap());
        ledger.instance(id).note_death(Death { signal: 6, port });
        std::process::abort();
    }
}

fn spin_if_wished(id: InstanceId) {
    if wishes::fault(id, "lane").as_deref() == Some("loop") {
        loop {
            std::hint::spin_loop();
        }
    }
}

/// One lane, with the lock of the real ones.
fn run_lane(id: InstanceId, ledger: &Ledger, contends: &AtomicBool, tell: &Sender<LaneEvent>) {
    loop {
        if !contends.load(SeqCst) || wishes::fault(id, "take").is_some() {
            sleep(PAUSE);
            continue;
        }
        let Some(guard) = ledger.lane(0).lock.try_acquire().unwrap() else {
            sleep(PAUSE);
            continue;
        };
        let handover = ledger.handover();
        let term = handover.term().next();
        handover.begin(term);
        let after_death = guard.predecessor == Predecessor::Died;
        let began = LaneEvent::Began { term, after_death };
        if tell.send(began).is_err() {
            return;
        }
        let slot = ledger.lane(0);
        slot.thread.store(gettid().as_raw(), SeqCst);
        slot.note_resumed(monotonic_ns());
        while !handover.must_release(term) || wishes::fault(id, "release").is_some() {
            slot.beat(monotonic_ns());
            die_over_a_port_if_wished(id, ledger);
            spin_if_wished(id);
            fail_if_wished(id, "lane");
            sleep(PAUSE);
        }
        drop(guard);
        let next = term.next();
        if tell.send(LaneEvent::LetGo { next }).is_err() {
            return;
        }
        wait_for_successor(ledger, term);
    }
}

/// Until the term is over, its release is revoked, or it took too long.
fn wait_for_successor(ledger: &Ledger, term: Term) {
    let deadline = Instant::now() + BEFORE_TAKING_BACK;
    let handover = ledger.handover();
    while handover.term() == term && handover.must_release(term) && Instant::now() < deadline {
        sleep(PAUSE);
    }
}
