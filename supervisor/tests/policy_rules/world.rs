//! A small model of two instances, their lane lock, the release word and the NIC, which drives the
//! policy and checks after every step what must always hold.

mod begin;
mod check;
mod instance;
mod moves;
mod supervisor;
mod uplink;

pub(crate) use instance::{Device, Fault, Model};
pub(crate) use moves::Move;
pub(crate) use uplink::Link;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vhost_transfer::{InstanceId, PortId, Term};
use vswsup::policy::{
    Action, Cause, Event, Handover, Note, Order, Outcome, Request, State, Timer, Word,
};

/// What the NIC gives to a standby that dies.
pub(crate) const STRAYED: u64 = 7;

/// All of the small world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) models: [Model; 2],
    /// Who holds the lanes; and whether the one before died with them.
    pub(crate) owner: Option<InstanceId>,
    pub(crate) owner_died: bool,
    pub(crate) begun: Term,
    pub(crate) release: Term,
    /// Where the NIC really delivers to.
    pub(crate) nic: Option<InstanceId>,
    /// The NIC delivers to one device, which moves from one instance to the other.
    pub(crate) moves_uplink: bool,
    /// Where it is on its way to.
    pub(crate) moving: Option<InstanceId>,
    /// There is one instance at a time.
    pub(crate) alone: bool,
    /// So many of the next tries to steer fail.
    pub(crate) steer_failures: u8,
    pub(crate) timers: BTreeSet<Timer>,
    pub(crate) ports: BTreeSet<PortId>,
    /// Numbers of ports are not used again.
    pub(crate) unused_port: u16,
    pub(crate) vault: BTreeMap<PortId, Device>,
    /// The number of each port's connection, as its front end sees it.
    pub(crate) connected: BTreeMap<PortId, u64>,
    pub(crate) next_connection: u64,
    /// A front end waits for its message to be consumed.
    pub(crate) unread: BTreeSet<PortId>,
    pub(crate) requests: u64,
    pub(crate) open: BTreeSet<Request>,
    /// Requests to pin and to unpin.
    pub(crate) open_pins: BTreeSet<Request>,
    /// Ports whose devices are in quarantine.
    pub(crate) quarantined: BTreeSet<PortId>,
    pub(crate) outcomes: Vec<(Request, Outcome)>,
    pub(crate) ready: bool,
    pub(crate) exited: bool,
    pub(crate) gave_up: bool,
    pub(crate) faults_left: u8,
    pub(crate) promotes_left: u8,
    pub(crate) changes_left: u8,
    pub(crate) pins_left: u8,
    pub(crate) dropped: u32,
    /// What the uplinks are, and what the supervisor was told.
    pub(crate) links: [Link; 2],
    /// `None`: that it is unproven.
    pub(crate) links_told: [Option<Link>; 2],
    pub(crate) links_left: u8,
    /// An instance that starts has to prove that its uplink hears.
    pub(crate) probes: bool,
    /// Outcomes of handovers that nobody asked for.
    pub(crate) escapes: Vec<Outcome>,
    /// There is a supervisor.
    pub(crate) supervised: bool,
    /// Requests whose supervisor died before it answered.
    pub(crate) unanswered: u64,
}

impl World {
    pub(crate) fn model(&mut self, id: InstanceId) -> &mut Model {
        &mut self.models[id as usize]
    }

    pub(crate) fn look(&self, id: InstanceId) -> &Model {
        &self.models[id as usize]
    }

    /// As the daemon's loop does: an action's own event comes before anything else.
    pub(crate) fn happen(&mut self, event: Event) {
        if let Event::TimedOut(timer) = &event {
            assert!(self.timers.remove(timer), "{timer:?} does not run");
        }
        if let Event::PortAdded(port) = &event {
            self.ports.insert(*port);
        }
        if let Event::PortRemoved(port) = &event {
            self.ports.remove(port);
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
                assert!(
                    !self.alone || !self.look(id.other()).exists,
                    "{id} is started beside the other"
                );
                *self.model(id) = Model::started();
                self.open_link(id);
                return self.doubt_link(id);
            }
            Action::Kill(id) => self.kill(id),
            Action::Tell(id, order) => {
                let device = if let Order::Device(port) = order {
                    self.vault[&port]
                } else {
                    Device::default()
                };
                self.model(id).inbox.push_back((order, device));
            }
            Action::Keep(_) | Action::Forget(_) => {}
            Action::Steer(id) if self.moves_uplink => {
                assert_eq!(self.moving, None, "the uplink moves already");
                self.nic = None;
                self.moving = Some(id);
            }
            Action::Steer(id) => return Some(Event::Steered(self.try_steer(id))),
            Action::ReleaseFor(term) => self.release = term,
            Action::Revoke(term) => self.release = Term(term.0 - 1),
            Action::CountStray(_) => return Some(Event::Strayed(STRAYED)),
            Action::StartTimer(timer, _) => {
                assert!(self.timers.insert(timer), "{timer:?} is started twice");
            }
            Action::StopTimer(timer) => {
                assert!(self.timers.remove(&timer), "{timer:?} does not run");
            }
            Action::Answer(request, outcome) => {
                assert!(
                    self.open.remove(&request) || self.open_pins.remove(&request),
                    "request {request} is answered twice"
                );
                self.outcomes.push((request, outcome));
            }
            Action::Moved(outcome) => self.escapes.push(outcome),
            Action::Ready => {
                assert!(!self.ready, "ready is said twice");
                self.ready = true;
            }
            Action::Note(Note::Dropped(..)) => self.dropped += 1,
            Action::Note(_) => {}
            Action::Quarantine(port) => {
                assert!(self.ports.remove(&port), "{port} is no port");
                self.quarantined.insert(port);
            }
            Action::Exit => self.exited = true,
            Action::GiveUp => self.gave_up = true,
        }
        None
    }

    /// Closed in the one, opened in the other; what does not answer is not waited for.
    pub(crate) fn move_uplink(&mut self) {
        let Some(to) = self.moving.take() else { return };
        let from = self.look(to.other());
        let answers = self.look(to).runs && !self.look(to).stuck && !(from.runs && from.stuck);
        let outcome = match answers {
            true => self.try_steer(to),
            false => Err("no answer".to_owned()),
        };
        self.happen(Event::Steered(outcome));
    }

    fn try_steer(&mut self, id: InstanceId) -> Result<(), String> {
        if self.moves_uplink && self.link(id) == Link::Gone {
            self.nic = None;
            return Err("no such device".into());
        }
        if self.steer_failures > 0 {
            self.steer_failures -= 1;
            self.nic = None;
            return Err("out of order".into());
        }
        self.nic = Some(id);
        Ok(())
    }

    /// The kernel lets the lanes of a dead process go at once; its last words can still be heard.
    pub(crate) fn kill(&mut self, id: InstanceId) {
        if self.look(id).runs {
            let model = self.model(id);
            if model.undead {
                model.stuck = true;
                model.kills = (model.kills + 1).min(2);
                return;
            }
            model.runs = false;
            model.inbox.clear();
            model.lane_words.clear();
            if self.owner == Some(id) {
                self.owner = None;
                self.owner_died = true;
            }
        }
    }

    pub(crate) fn hang_up(&mut self, port: PortId) {
        self.connected.remove(&port);
        self.unread.remove(&port);
    }

    /// A front end notices when nobody holds its connection any more: no process, no message on
    /// its way, and not the vault.
    pub(crate) fn close_connections(&mut self) {
        let held = |connection: &u64| {
            let in_vault = self.vault.values();
            let with_models = self.models.iter().flat_map(|model| model.connections());
            in_vault
                .map(|device| device.connection)
                .chain(with_models)
                .any(|held| held == *connection)
        };
        let lost: Vec<_> = self
            .connected
            .iter()
            .filter(|(_, connection)| !held(connection))
            .map(|(&port, _)| port)
            .collect();
        for port in lost {
            self.hang_up(port);
        }
    }

    pub(crate) fn promote(&mut self, reconnect: bool) -> Request {
        self.requests += 1;
        let request = self.requests;
        self.open.insert(request);
        self.happen(Event::Promote { request, reconnect });
        request
    }

    /// The handover under way, if somebody asked for it.
    pub(crate) fn asked_handover(&self) -> Option<&Handover> {
        let handover = self.state.handover();
        handover.filter(|handover| matches!(handover.cause, Cause::Asked(_)))
    }

    pub(crate) fn pin(&mut self, event: fn(Request) -> Event) -> Request {
        self.requests += 1;
        let request = self.requests;
        self.open_pins.insert(request);
        self.happen(event(request));
        request
    }

    pub(crate) fn outcome(&self, request: Request) -> Option<&Outcome> {
        self.outcomes
            .iter()
            .find(|(of, _)| *of == request)
            .map(|(_, outcome)| outcome)
    }

    /// The next word of an instance is heard, or its end is seen when it has said all.
    pub(crate) fn hear(&mut self, id: InstanceId) {
        match self.model(id).outbox.pop_front() {
            Some((word, connection)) => {
                self.keep(id, &word, connection);
                self.happen(Event::Said(id, word));
            }
            None if !self.look(id).runs && self.look(id).exists => {
                let over = self.look(id).dies_over;
                *self.model(id) = Model::default();
                self.happen(Event::Died(id, "killed by the test".into()));
                if let Some(port) = over {
                    self.happen(Event::Blamed(id, port));
                }
            }
            None => {}
        }
    }

    /// The daemon keeps an update when the policy says so, which the check of the step verifies;
    /// the model needs the revision for what is told next.
    fn keep(&mut self, id: InstanceId, word: &Word, connection: u64) {
        if let Word::Device { port, revision } = word
            && self.state.instance(id).life.owns()
            && self.ports.contains(port)
        {
            let revision = *revision;
            let device = Device {
                revision,
                connection,
            };
            self.vault.insert(*port, device);
        }
    }
}

pub(crate) fn port(number: u16) -> PortId {
    PortId::new(number).expect("a small number")
}
