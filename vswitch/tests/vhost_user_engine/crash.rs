//! Instances that end at any point, and their successors, on one connection.
//!
//! "Dies" is a panic out of the back end: everything that the instance has done until then is done,
//! and nothing after. The successor has what the vault and the ledger have.

use crate::support::backend::{Call, World};
use crate::support::front_end::{Answer, FrontEnd};
use crate::support::host::{Host, Listener};
use crate::support::memfd;
use crate::support::message::Message;
use crate::support::script::{PEERS, Peer};
use rustix::fs::fstat;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vhost_transfer::DeviceState;
use vswitch::port::Handled;

/// How a conversation went.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    answers: Vec<Answer>,
    lanes: Option<DeviceState>,
}

/// Two instances on one listening socket, one of which serves.
struct Pair {
    listener: Listener,
    serving: Host,
    /// Troubles that the dead had told of.
    told: Vec<String>,
}

impl Pair {
    fn new() -> Self {
        let listener = Listener::new();
        let mut serving = Host::server(&listener);
        serving.serve(true);
        let told = Vec::new();
        Self {
            listener,
            serving,
            told,
        }
    }

    /// The serving instance is dead; its successor begins with what survives, and dies after
    /// `fuse` calls.
    fn succeed(&mut self, fuse: Option<usize>) {
        let troubles = self.serving.backend.troubles();
        self.told.extend(troubles.into_iter().map(str::to_owned));
        let world = std::mem::take(&mut self.serving.backend.world);
        self.serving = Host::server(&self.listener);
        self.serving.backend.world = world;
        if let Some(device) = self.serving.backend.world.vault.clone() {
            self.serving.adopt(device).expect("can be adopted");
        }
        self.serving.backend.fuse = fuse;
        if catch_unwind(AssertUnwindSafe(|| self.serving.serve(true))).is_err() {
            self.succeed(None);
        }
    }
}

/// The lanes work on between two messages.
fn work(world: &mut World) {
    let Some(lanes) = &world.lanes else { return };
    for (index, _) in (0..).zip(&lanes.rings).filter(|(_, ring)| ring.started) {
        let position = world.positions.entry(index).or_default();
        position.avail = position.avail.wrapping_add(1000);
        position.used = position.avail;
    }
}

/// Revisions count what had to be said twice.
fn comparable(state: Option<&DeviceState>) -> Option<DeviceState> {
    let state = state?.clone();
    Some(DeviceState {
        revision: 0,
        at_hand: None,
        ..state
    })
}

fn undisturbed(messages: Vec<Message>) -> Course {
    let mut pair = Pair::new();
    let mut front_end = pair.listener.connect();
    pair.serving.run();
    let mut answers = Vec::new();
    for message in messages {
        answers.extend(pair.serving.exchange(&mut front_end, &message));
        work(&mut pair.serving.backend.world);
    }
    Course {
        answers,
        lanes: comparable(pair.serving.backend.world.lanes.as_ref()),
    }
}

/// What a crash did to the conversation.
enum Disturbed {
    /// It did not come to that.
    Never,
    /// The front end has noticed nothing.
    Unnoticed(Course),
    /// The connection was closed over this message, with this explanation.
    Closed(Message, Vec<String>),
}

/// A life in which the first instance dies after `first` calls, and its successor after `second`.
fn disturbed(messages: Vec<Message>, first: usize, second: Option<usize>) -> Disturbed {
    let mut pair = Pair::new();
    let mut front_end = pair.listener.connect();
    pair.serving.run();
    pair.serving.backend.fuse = Some(first);
    let mut fuses = second.into_iter();
    let mut died = false;
    let mut answers = Vec::new();
    for message in messages {
        front_end.send(&message);
        while catch_unwind(AssertUnwindSafe(|| pair.serving.run())).is_err() {
            died = true;
            pair.succeed(fuses.next());
        }
        let answer = front_end.answer();
        if front_end.is_closed() {
            let troubles = pair.serving.backend.troubles();
            pair.told.extend(troubles.into_iter().map(str::to_owned));
            return Disturbed::Closed(message, pair.told);
        }
        assert_eq!(
            answer.is_some(),
            message.has_answer(),
            "blocked over {message:?}"
        );
        answers.extend(answer);
        work(&mut pair.serving.backend.world);
    }
    match died {
        false => Disturbed::Never,
        true => Disturbed::Unnoticed(Course {
            answers,
            lanes: comparable(pair.serving.backend.world.lanes.as_ref()),
        }),
    }
}

/// How many deaths there were to die. `fuse` is that of the successor.
fn all_deaths(messages: impl Fn() -> Vec<Message>, fuse: Option<usize>) -> usize {
    let expected = undisturbed(messages());
    let mut first = 0;
    loop {
        match disturbed(messages(), first, fuse) {
            Disturbed::Never => return first,
            Disturbed::Unnoticed(course) => assert_eq!(course, expected, "{first}, {fuse:?}"),
            Disturbed::Closed(message, troubles) => {
                assert!(message.has_answer(), "nothing was owed for {message:?}");
                let told = troubles
                    .iter()
                    .any(|trouble| trouble.contains("nobody can know"));
                assert!(told, "{first}, {fuse:?}, {message:?}: {troubles:?}");
            }
        }
        first += 1;
    }
}

/// Whatever the last thing was that an instance did, its successor goes on, and the front end is
/// neither blocked nor gets an answer that it does not expect.
#[test]
fn a_death_after_any_call() {
    for peer in PEERS {
        let deaths = all_deaths(|| peer.life(), None);
        assert!(deaths > peer.life().len(), "only {deaths} deaths");
    }
}

/// An answer says that it is done: the lanes have it before. Should the instance die in between, it
/// is known that an answer was owed.
#[test]
fn the_answer_is_owed_then_earned_then_sent() {
    let (mut host, mut front_end, _listener) = Host::with_front_end();
    for message in Peer::Qemu10.connect() {
        host.exchange(&mut front_end, &message);
    }
    let revision = host.state().revision;
    let note = |revision, owes_answer| {
        Call::Note(Handled {
            revision,
            owes_answer,
        })
    };

    host.backend.calls.clear();
    host.exchange(&mut front_end, &Message::empty(1));
    assert_eq!(
        host.backend.calls,
        [note(revision, true), note(revision, false)]
    );

    host.backend.calls.clear();
    host.backend.fuse = Some(2);
    front_end.send(&Message::ring(18, 0, 1).acknowledged());
    catch_unwind(AssertUnwindSafe(|| host.run())).expect_err("dies before the lanes have it");
    assert_eq!(
        host.backend.calls,
        [Call::Store(revision + 1), note(revision, true)]
    );
    assert_eq!(front_end.answer(), None);
}

/// Died between taking a question and answering it: the front end would wait for ever.
#[test]
fn a_front_end_that_may_wait_in_vain_is_dropped() {
    let (mut host, mut front_end, listener) = Host::with_front_end();
    host.serve(false);
    let mut world = std::mem::take(&mut host.backend.world);
    world.handled.owes_answer = true;
    let mut successor = Host::server(&listener);
    successor
        .adopt(world.vault.clone().expect("stored"))
        .expect("can be adopted");
    successor.backend.world = world;
    successor.serve(true);
    assert!(front_end.is_closed());
    assert!(successor.backend.troubles()[0].contains("nobody can know"));
}

/// The successor dies over the same message, or soon after.
#[test]
fn two_deaths() {
    for fuse in 0..6 {
        assert!(all_deaths(|| Peer::Qemu10.boot(), Some(fuse)) > 0);
    }
}

/// A front end that waits for nothing sends the same bytes twice, with another fd each time; whatever
/// the first instance dies of meanwhile, the second fd is the one in use.
#[test]
fn messages_that_look_alike_are_told_apart() {
    const SET_VRING_CALL: u32 = 13;
    let mut deaths = 0;
    for fuse in 0.. {
        let mut pair = Pair::new();
        let front_end = pair.listener.connect();
        pair.serving.run();
        let [first, second] = [memfd(4096), memfd(8192)];
        pair.serving.backend.fuse = Some(fuse);
        for fd in [first, second] {
            front_end.send(&Message::number(SET_VRING_CALL, 0).with_fd(fd));
        }
        let mut died = false;
        while catch_unwind(AssertUnwindSafe(|| pair.serving.run())).is_err() {
            died = true;
            pair.succeed(None);
        }
        let device = pair.serving.port.device().expect("a device");
        let call = device.fds.rings[0].call.as_ref().expect("a call fd");
        assert_eq!(fstat(call).expect("fstat").st_size, 8192, "{fuse}");
        if !died {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 4, "only {deaths} deaths");
}

/// Between any two messages the roles change: the one adopts what the other stores, then serves.
#[test]
fn a_handover_between_any_two_messages() {
    for peer in PEERS {
        let expected = undisturbed(peer.life());
        let listener = Listener::new();
        let mut active = Host::server(&listener);
        let mut standby = Host::server(&listener);
        active.serve(true);
        let mut front_end = listener.connect();
        active.run();
        let mut answers = Vec::new();
        for message in peer.life() {
            answers.extend(active.exchange(&mut front_end, &message));
            work(&mut active.backend.world);
            hand_over(&mut active, &mut standby);
            assert!(!front_end.is_closed());
        }
        let lanes = comparable(active.backend.world.lanes.as_ref());
        assert_eq!(Course { answers, lanes }, expected);
        assert_eq!(active.backend.troubles(), [""; 0]);
    }
}

fn hand_over(active: &mut Host, standby: &mut Host) {
    let device = active.backend.world.vault.clone().expect("stored");
    standby.adopt(device).expect("can be adopted");
    active.serve(false);
    assert!(active.port.is_settled());
    std::mem::swap(&mut active.backend.world, &mut standby.backend.world);
    std::mem::swap(active, standby);
    active.serve(true);
    active.run();
}

/// A message that came while nobody served is read by who serves next.
#[test]
fn what_came_during_a_handover_is_answered_after_it() {
    let listener = Listener::new();
    let (mut active, mut standby) = (Host::server(&listener), Host::server(&listener));
    active.serve(true);
    let mut front_end: FrontEnd = listener.connect();
    active.run();
    active.serve(false);
    front_end.send(&Message::empty(1));
    active.run();
    standby.run();
    assert_eq!(front_end.answer(), None);
    hand_over(&mut active, &mut standby);
    assert_eq!(front_end.answer().map(|answer| answer.0), Some(1));
}

/// A guest's connection survives that nobody is left: the vault brings it back.
#[test]
fn a_fresh_instance_goes_on_from_the_vault() {
    let mut pair = Pair::new();
    let mut front_end = pair.listener.connect();
    pair.serving.run();
    let messages = Peer::Qemu10.life();
    let (before, after) = messages.split_at(messages.len() / 2);
    for message in before {
        pair.serving.exchange(&mut front_end, message);
    }
    pair.succeed(None);
    for message in after {
        let answer = pair.serving.exchange(&mut front_end, message);
        assert_eq!(answer.is_some(), message.has_answer());
    }
    assert_eq!(pair.serving.backend.troubles(), [""; 0]);
}
