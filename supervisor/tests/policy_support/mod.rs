//! A small model of two instances, their lane lock, the release word and the NIC, which drives the
//! policy and checks after every step what must always hold.

mod check;
mod instance;
mod moves;

pub use instance::{Fault, Model};
pub use moves::Move;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vhost_transfer::{InstanceId, PortId, Term};
use vswsup::policy::{Action, Event, Limits, Note, Order, Outcome, Request, State, Timer, Word};

/// All of the small world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub state: State,
    pub models: [Model; 2],
    /// Who holds the lanes; and whether the one before died with them.
    pub owner: Option<InstanceId>,
    pub owner_died: bool,
    pub begun: Term,
    pub release: Term,
    /// Where the NIC really delivers to.
    pub nic: Option<InstanceId>,
    /// So many of the next tries to steer fail.
    pub steer_failures: u8,
    pub timers: BTreeSet<Timer>,
    pub ports: BTreeSet<PortId>,
    /// Numbers of ports are not used again.
    pub unused_port: u16,
    pub vault: BTreeMap<PortId, u64>,
    pub requests: u64,
    pub open: BTreeSet<Request>,
    pub outcomes: Vec<(Request, Outcome)>,
    pub ready: bool,
    pub exited: bool,
    pub faults_left: u8,
    pub promotes_left: u8,
    pub changes_left: u8,
    pub dropped: u32,
}

impl World {
    /// Two instances are being started; one port is configured.
    pub fn new(faults: u8, promotes: u8, changes: u8) -> Self {
        let mut world = Self {
            state: State::new(Limits::default()),
            models: [Model::default(), Model::default()],
            owner: None,
            owner_died: false,
            begun: Term::default(),
            release: Term::default(),
            nic: None,
            steer_failures: 0,
            timers: BTreeSet::new(),
            ports: BTreeSet::new(),
            unused_port: 2,
            vault: BTreeMap::new(),
            requests: 0,
            open: BTreeSet::new(),
            outcomes: Vec::new(),
            ready: false,
            exited: false,
            faults_left: faults,
            promotes_left: promotes,
            changes_left: changes,
            dropped: 0,
        };
        world.happen(Event::PortAdded(port(1)));
        world.happen(Event::Start);
        world
    }

    pub fn model(&mut self, id: InstanceId) -> &mut Model {
        &mut self.models[id as usize]
    }

    pub fn look(&self, id: InstanceId) -> &Model {
        &self.models[id as usize]
    }

    /// As the daemon's loop does: an action's own event comes before anything else.
    pub fn happen(&mut self, event: Event) {
        if let Event::TimedOut(timer) = &event {
            assert!(self.timers.remove(timer), "{timer:?} does not run");
        }
        match &event {
            Event::PortAdded(port) => {
                self.ports.insert(*port);
            }
            Event::PortRemoved(port) => {
                self.ports.remove(port);
            }
            _ => {}
        }
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.state.step(event.clone());
            self.check_step(&event, &actions);
            for action in actions {
                events.extend(self.perform(action));
            }
        }
        self.check_always();
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn(id) => {
                assert!(!self.look(id).exists, "{id} is started twice");
                *self.model(id) = Model::started();
            }
            Action::Kill(id) => self.kill(id),
            Action::Tell(id, order) => {
                let revision = match order {
                    Order::Device(port) => self.vault[&port],
                    _ => 0,
                };
                self.model(id).inbox.push_back((order, revision));
            }
            Action::Keep(_) | Action::Forget(_) => {}
            Action::Steer(id) => return Some(Event::Steered(self.try_steer(id))),
            Action::ReleaseFor(term) => self.release = term,
            Action::StartTimer(timer, _) => {
                assert!(self.timers.insert(timer), "{timer:?} is started twice");
            }
            Action::StopTimer(timer) => {
                assert!(self.timers.remove(&timer), "{timer:?} does not run");
            }
            Action::Answer(request, outcome) => {
                assert!(
                    self.open.remove(&request),
                    "request {request} is answered twice"
                );
                self.outcomes.push((request, outcome));
            }
            Action::Ready => {
                assert!(!self.ready, "ready is said twice");
                self.ready = true;
            }
            Action::Note(Note::Dropped(..)) => self.dropped += 1,
            Action::Note(_) => {}
            Action::Exit => self.exited = true,
        }
        None
    }

    fn try_steer(&mut self, id: InstanceId) -> Result<(), String> {
        if self.steer_failures > 0 {
            self.steer_failures -= 1;
            self.nic = None;
            return Err("out of order".into());
        }
        self.nic = Some(id);
        Ok(())
    }

    /// The kernel lets the lanes of a dead process go at once; its last words can still be heard.
    pub fn kill(&mut self, id: InstanceId) {
        if self.look(id).runs {
            let model = self.model(id);
            model.runs = false;
            model.inbox.clear();
            if self.owner == Some(id) {
                self.owner = None;
                self.owner_died = true;
            }
        }
    }

    pub fn promote(&mut self, reconnect: bool) -> Request {
        self.requests += 1;
        let request = self.requests;
        self.open.insert(request);
        self.happen(Event::Promote { request, reconnect });
        request
    }

    pub fn outcome(&self, request: Request) -> Option<&Outcome> {
        self.outcomes
            .iter()
            .find(|(of, _)| *of == request)
            .map(|(_, outcome)| outcome)
    }

    /// The next word of an instance is heard, or its end is seen when it has said all.
    pub fn hear(&mut self, id: InstanceId) {
        match self.model(id).outbox.pop_front() {
            Some(word) => {
                self.keep(id, &word);
                self.happen(Event::Said(id, word));
            }
            None if !self.look(id).runs && self.look(id).exists => {
                *self.model(id) = Model::default();
                self.happen(Event::Died(id, "killed by the test".into()));
            }
            None => {}
        }
    }

    /// The daemon keeps an update when the policy says so, which the check of the step verifies;
    /// the model needs the revision for what is told next.
    fn keep(&mut self, id: InstanceId, word: &Word) {
        if let Word::Device { port, revision } = word
            && self.state.instance(id).life.owns()
            && self.ports.contains(port)
        {
            self.vault.insert(*port, *revision);
        }
    }
}

pub fn port(number: u16) -> PortId {
    PortId::new(number).expect("a small number")
}
