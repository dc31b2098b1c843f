//! The model of one instance: it does what it is told, at a speed of its own.

use super::{Link, World};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vhost_transfer::{InstanceId, PortId, Term};
use vswsup::policy::{Order, Word};

/// What an instance is told to do wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Refuse to prepare or to quiesce.
    Refuse,
    /// Fail to map a device.
    FailToMap,
    /// Never say the next word.
    Swallow,
}

/// A state of a device of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Device {
    pub(crate) revision: u64,
    pub(crate) connection: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Lanes {
    #[default]
    Idle,
    /// For the locks, to begin this term, or the next one.
    Waiting(Option<Term>),
    Owning(Term),
    /// Let go, and ready to take the locks back for this term.
    LetGo(Term),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Model {
    /// The supervisor has a process that it has not reaped.
    pub(crate) exists: bool,
    /// The process runs.
    pub(crate) runs: bool,
    pub(crate) inbox: VecDeque<(Order, Device)>,
    /// With the connection that comes with a device.
    pub(crate) outbox: VecDeque<(Word, u64)>,
    /// That the lanes have let go, and the control thread has not told yet.
    pub(crate) lane_words: VecDeque<Word>,
    pub(crate) fault: Option<Fault>,
    pub(crate) lanes: Lanes,
    pub(crate) armed: bool,
    pub(crate) quiesced: bool,
    pub(crate) devices: BTreeMap<PortId, Device>,
    pub(crate) ports: BTreeSet<PortId>,
    /// Updates that wait for `Stored`.
    pub(crate) unstored: BTreeSet<PortId>,
    pub(crate) started: bool,
    /// It does nothing any more, and keeps what it has.
    pub(crate) stuck: bool,
    /// A kill does not end it before the second one; how many there were.
    pub(crate) undead: bool,
    pub(crate) kills: u8,
    /// The port that its death points at.
    pub(crate) dies_over: Option<PortId>,
}

impl Model {
    pub(crate) fn started() -> Self {
        Self {
            exists: true,
            runs: true,
            outbox: VecDeque::from([(Word::Hello, 0)]),
            ..Self::default()
        }
    }

    /// It listens to its front ends.
    pub(crate) fn serves(&self) -> bool {
        self.runs && self.owns() && !self.quiesced
    }

    fn owns(&self) -> bool {
        matches!(self.lanes, Lanes::Owning(_))
    }

    /// The connections that it holds, or that are on their way to it or from it.
    pub(crate) fn connections(&self) -> impl Iterator<Item = u64> {
        let own = self.devices.values().filter(|_| self.runs);
        let coming = self.inbox.iter().map(|(_, device)| device);
        let going = self.outbox.iter().map(|(_, connection)| *connection);
        own.chain(coming)
            .map(|device| device.connection)
            .chain(going)
    }

    pub(crate) fn say(&mut self, word: Word) {
        if self.fault == Some(Fault::Swallow) {
            self.fault = None;
        } else {
            self.outbox.push_back((word, 0));
        }
    }

    fn takes_fault(&mut self, fault: Fault) -> bool {
        let has = self.fault == Some(fault);
        if has {
            self.fault = None;
        }
        has
    }

    fn answer(&mut self, term: Term, word: Word) {
        if self.takes_fault(Fault::Refuse) {
            self.say(Word::Refused(term, "told to refuse".into()));
        } else {
            self.say(word);
        }
    }
}

impl World {
    /// The instance reads its next order.
    pub(crate) fn obey(&mut self, id: InstanceId) {
        let Some((order, device)) = self.model(id).inbox.pop_front() else {
            return;
        };
        let model = self.model(id);
        match order {
            Order::Setup => {}
            Order::AddPort(port) => {
                model.ports.insert(port);
            }
            Order::RemovePort(port) => {
                model.ports.remove(&port);
                model.devices.remove(&port);
                model.unstored.remove(&port);
            }
            Order::Device(_) if model.owns() => {}
            Order::DeviceGone(port) if model.owns() => model.store_again(port),
            Order::Device(port) => model.map(port, device),
            Order::DeviceGone(port) => {
                model.devices.remove(&port);
            }
            Order::Stored { port, .. } => self.consume(id, port),
            Order::StandBy => {
                model.lanes = Lanes::Waiting(None);
                model.say(Word::StandingBy);
            }
            Order::StandDown if model.owns() => {}
            Order::StandDown => {
                model.lanes = Lanes::Idle;
                model.say(Word::StoodDown);
            }
            Order::Activate(_) if model.owns() => {}
            Order::Activate(term) => model.lanes = Lanes::Waiting(Some(term)),
            Order::Prepare(term) => model.answer(term, Word::Prepared(term)),
            Order::Quiesce { term, reconnect } => self.quiesce(id, term, reconnect),
            Order::Abort(term) => {
                model.quiesced = false;
                model.say(Word::Aborted { term, discarded: 1 });
            }
            Order::Stop => self.kill(id),
        }
    }

    /// The instance becomes warm by itself.
    pub(crate) fn warm_up(&mut self, id: InstanceId) {
        if self.link(id) == Link::Gone {
            return self.kill(id);
        }
        let model = self.model(id);
        model.started = true;
        model.say(Word::Warm);
    }

    /// The lanes of an instance go one step, and the control thread tells of it at once.
    pub(crate) fn run_lanes(&mut self, id: InstanceId) {
        self.step_lanes(id);
        self.model(id).tell_of_lanes();
    }

    /// The lanes of an instance go one step, if there is one to go.
    pub(crate) fn step_lanes(&mut self, id: InstanceId) {
        match self.look(id).lanes {
            Lanes::Owning(term) if self.release > term => {
                let term = self.release;
                self.owner = None;
                self.owner_died = false;
                self.model(id).lanes = Lanes::LetGo(term);
                let word = Word::Released { term, drained: 3 };
                self.model(id).lane_words.push_back(word);
            }
            Lanes::Waiting(term) if self.owner.is_none() => self.take_lanes(id, term),
            Lanes::LetGo(term) if self.begun >= term => self.model(id).lanes = Lanes::Idle,
            Lanes::LetGo(term) if self.owner.is_none() => self.take_lanes(id, Some(term)),
            Lanes::Idle | Lanes::Waiting(_) | Lanes::Owning(_) | Lanes::LetGo(_) => {}
        }
    }

    fn take_lanes(&mut self, id: InstanceId, term: Option<Term>) {
        let term = term.unwrap_or(self.begun.next());
        let after_death = std::mem::take(&mut self.owner_died);
        self.owner = Some(id);
        self.begun = term;
        let model = self.model(id);
        model.lanes = Lanes::Owning(term);
        model.quiesced = false;
        let freeze_ns = None;
        let word = Word::Active {
            term,
            after_death,
            freeze_ns,
        };
        model.lane_words.push_back(word);
        model.tell_of_lanes();
    }
}

impl Model {
    /// The control thread hears of its lanes whenever it comes to it.
    pub(crate) fn tell_of_lanes(&mut self) {
        for word in std::mem::take(&mut self.lane_words) {
            // Who has the lanes and does not say so hangs, which its heartbeat tells.
            if matches!(word, Word::Active { .. }) {
                self.outbox.push_back((word, 0));
            } else {
                self.say(word);
            }
        }
    }

    /// It serves what the supervisor took for lost.
    fn store_again(&mut self, port: PortId) {
        if let Some(device) = self.devices.get(&port) {
            let revision = device.revision;
            let word = Word::Device { port, revision };
            self.outbox.push_back((word, device.connection));
        }
    }

    fn map(&mut self, port: PortId, device: Device) {
        // What is mapped is said: the lifeline loses nothing.
        if self.takes_fault(Fault::Swallow) {
            return;
        }
        let trouble = self
            .takes_fault(Fault::FailToMap)
            .then(|| "told to fail".to_string());
        if trouble.is_none() {
            self.devices.insert(port, device);
        }
        let revision = device.revision;
        self.say(Word::Mapped {
            port,
            revision,
            trouble,
        });
    }
}

impl World {
    /// The update is safe: the front end's message is taken from its socket.
    fn consume(&mut self, id: InstanceId, port: PortId) {
        let model = self.model(id);
        let connection = model.devices.get(&port).map(|device| device.connection);
        if model.unstored.remove(&port) && self.connected.get(&port).copied() == connection {
            self.unread.remove(&port);
        }
    }

    /// With `reconnect` the connections are shut down: whoever holds them, their front ends notice.
    fn quiesce(&mut self, id: InstanceId, term: Term, reconnect: bool) {
        let refuses = self.look(id).fault == Some(Fault::Refuse);
        if reconnect && !refuses {
            for (port, device) in std::mem::take(&mut self.model(id).devices) {
                if self.connected.get(&port) == Some(&device.connection) {
                    self.hang_up(port);
                }
                self.model(id).outbox.push_back((Word::DeviceGone(port), 0));
            }
            self.model(id).unstored.clear();
        }
        let model = self.model(id);
        model.quiesced = !refuses;
        model.answer(term, Word::Quiesced(term));
    }
}
