//! Deaths in the middle of a vhost-user message, whatever the front end is.

use super::PATIENCE;
use std::time::{Duration, Instant};
use vswitch::port::Step;
use vswitch::vhost_user::{Refusal, Request};
use vswsup_tests::rig::{Rig, RigConfig};

/// In their order.
pub(crate) const STEPS: [Step; 9] = [
    Step::Peeked,
    Step::Packed,
    Step::Sent,
    Step::Stored,
    Step::Noted,
    Step::Consumed,
    Step::Applied,
    Step::Replied,
    Step::Settled,
];
/// Ways to die, which have their turns: one is a signal that nobody sees coming, the other is seen.
pub(crate) const WAYS: [&str; 2] = ["kill", "die"];
/// So many deaths in a row would be a restart storm, and over one port its poison.
const PATIENT: &str = "[failover]\npoison_window = \"1ms\"\nrestart_calm = \"1ms\"\n";
/// Request codes have one byte so far.
const CODES: std::ops::Range<u32> = 0..0x100;

/// A pair that can be told to die, with so many ports, of which the switch is `server` or `client`.
pub(crate) fn mortal(ports: usize, mode: &'static str) -> Rig {
    Rig::start(&mortal_config(ports, mode)).unwrap()
}

/// As [`mortal`], to be changed.
pub(crate) fn mortal_config(ports: usize, mode: &'static str) -> RigConfig {
    RigConfig {
        mode,
        uplink: false,
        faults: true,
        more: PATIENT.to_owned(),
        ..RigConfig::guests(ports)
    }
}

/// As fault injection calls it.
pub(crate) fn word(step: Step) -> String {
    format!("{step:?}").to_lowercase()
}

/// Only a message that makes another device gets there.
pub(crate) fn is_for_changes(step: Step) -> bool {
    match step {
        Step::Packed | Step::Sent | Step::Stored | Step::Applied => true,
        Step::Peeked | Step::Noted | Step::Consumed | Step::Replied | Step::Settled => false,
    }
}

/// Nobody can know whether an answer went out, if one was owed.
pub(crate) fn leaves_answer_open(step: Step) -> bool {
    match step {
        Step::Consumed | Step::Applied | Step::Replied => true,
        Step::Peeked | Step::Packed | Step::Sent | Step::Stored | Step::Noted | Step::Settled => {
            false
        }
    }
}

/// Codes of all messages that the back end takes.
pub(crate) fn taken_messages() -> Vec<u32> {
    let is_taken = |code: &u32| {
        let parsed = Request::parse(*code, &[]);
        !matches!(parsed, Err(Refusal::UnknownRequest(_)))
    };
    CODES.filter(is_taken).collect()
}

/// Whether it was done in time.
pub(crate) fn is_done_in_time(done: impl Fn() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A step of a message, as it was recorded, at which the active instance dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) message: String,
    pub(crate) step: String,
}

/// Of the steps that a front end was recorded to take, one for each message, so that every step has its
/// turn as well, and how to die there; and where an answer is owed for certain, one more. Different
/// `turn`s choose differently. Some messages are `certain`.
pub(crate) fn moments(rig: &Rig, certain: &[&str], turn: usize) -> Vec<(Moment, &'static str)> {
    let recorded = rig.recorded_steps().unwrap();
    for certain in certain {
        let came = recorded.iter().any(|(message, _)| message == certain);
        assert!(came, "no {certain}: {recorded:?}");
    }
    let chosen = choose(&in_order(recorded), turn);
    chosen.into_iter().zip(WAYS.into_iter().cycle()).collect()
}

fn choose(recorded: &[(String, String)], turn: usize) -> Vec<Moment> {
    let moment = |(message, step): &(String, String)| Moment {
        message: message.clone(),
        step: step.clone(),
    };
    let mut steps = STEPS.map(word);
    steps.rotate_left(turn);
    // Whoever was chosen last is the last to be chosen again.
    let mut queue = steps.to_vec();
    let mut chosen = Vec::new();
    for message in in_order(recorded.iter().map(|(message, _)| message)) {
        let takes = |step: &String| recorded.contains(&(message.clone(), step.clone()));
        let next = queue
            .iter()
            .position(takes)
            .expect("it was recorded at a step");
        let step = queue.remove(next);
        chosen.push(moment(&(message.clone(), step.clone())));
        queue.push(step);
    }
    let answered = |(message, step): &&(String, String)| {
        message.starts_with("GET_") && *step == word(Step::Consumed)
    };
    chosen.extend(recorded.iter().filter(answered).map(moment));
    for step in steps {
        if !chosen.iter().any(|moment| moment.step == step) {
            let first = recorded.iter().find(|(_, taken)| *taken == step);
            chosen.push(moment(
                first.unwrap_or_else(|| panic!("no message was {step}")),
            ));
        }
    }
    in_order(chosen)
}

/// Each one once.
fn in_order<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    all.into_iter().fold(Vec::new(), |mut once, one| {
        if !once.contains(&one) {
            once.push(one);
        }
        once
    })
}

/// A death that is to come.
#[derive(Debug)]
pub(crate) struct Death<'rig> {
    rig: &'rig Rig,
    moment: Moment,
    active: serde_json::Value,
    closings: Closings,
}

/// Whether this side closed the connection, and never for another reason than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closings {
    over_answers: usize,
    others: usize,
}

impl<'rig> Death<'rig> {
    /// As soon as there is a spare, and from now on.
    pub(crate) fn ordered(rig: &'rig Rig, moment: &Moment, how: &str) -> Self {
        let supervisor = rig.supervisor();
        supervisor.wait_for_spare(PATIENCE).unwrap();
        let Moment { message, step } = moment;
        println!("{message} {step}: {how}");
        let death = Self {
            rig,
            moment: moment.clone(),
            active: supervisor.status().unwrap()["active"].clone(),
            closings: Closings::of(rig),
        };
        let fault = format!("* message {step} {message} {how}\n");
        rig.set_faults(&fault).unwrap();
        death
    }

    /// It has come to pass, and another instance serves. Whether the connection was closed, which is
    /// right only where nobody can know about an answer.
    pub(crate) fn has_closed(&self) -> bool {
        let supervisor = self.rig.supervisor();
        let came = is_done_in_time(|| self.rig.faults().unwrap().is_empty());
        assert!(came, "{:?} never came to pass", self.moment);
        let moved = is_done_in_time(|| {
            let status = supervisor.status();
            status.is_ok_and(|status| status["active"] != self.active)
        });
        let log = supervisor.log();
        assert!(moved, "{:?}: nobody took over\n{log}", self.moment);
        let now = Closings::of(self.rig);
        let over_answers = now.over_answers - self.closings.over_answers;
        let others = now.others - self.closings.others;
        let step = &self.moment.step;
        let may = STEPS.into_iter().filter(|step| leaves_answer_open(*step));
        let most = usize::from(may.map(word).any(|may| may == *step));
        assert!(
            others == 0 && over_answers <= most,
            "{:?}: closed {over_answers} times, and {others} for other reasons\n{log}",
            self.moment
        );
        over_answers > 0
    }
}

impl Closings {
    fn of(rig: &Rig) -> Self {
        let log = rig.supervisor().log();
        let lines = log
            .lines()
            .filter(|line| line.contains("connection is closed"));
        let (answers, others) = lines.partition::<Vec<_>, _>(|line| {
            line.contains("nobody can know whether its answer went out")
        });
        Self {
            over_answers: answers.len(),
            others: others.len(),
        }
    }
}
