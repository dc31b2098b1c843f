//! The model of one instance: it does what it is told, at a speed of its own.

use super::World;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vhost_transfer::{InstanceId, PortId, Term};
use vswsup::policy::{Order, Word};

/// What an instance is told to do wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Refuse to prepare or to quiesce.
    Refuse,
    /// Fail to map a device.
    FailToMap,
    /// Never say the next word.
    Swallow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lanes {
    #[default]
    Idle,
    /// For the locks, to begin this term, or the next one.
    Waiting(Option<Term>),
    Owning(Term),
    /// Let go, and ready to take the locks back for this term.
    LetGo(Term),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Model {
    /// The supervisor has a process that it has not reaped.
    pub exists: bool,
    /// The process runs.
    pub runs: bool,
    pub inbox: VecDeque<(Order, u64)>,
    pub outbox: VecDeque<Word>,
    pub fault: Option<Fault>,
    pub lanes: Lanes,
    pub armed: bool,
    pub quiesced: bool,
    pub devices: BTreeMap<PortId, u64>,
    pub ports: BTreeSet<PortId>,
    /// Updates that wait for `Stored`.
    pub unstored: BTreeSet<PortId>,
    pub started: bool,
}

impl Model {
    pub fn started() -> Self {
        Self {
            exists: true,
            runs: true,
            outbox: VecDeque::from([Word::Hello]),
            ..Self::default()
        }
    }

    pub fn say(&mut self, word: Word) {
        if self.fault == Some(Fault::Swallow) {
            self.fault = None;
        } else {
            self.outbox.push_back(word);
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
    pub fn obey(&mut self, id: InstanceId) {
        let Some((order, revision)) = self.model(id).inbox.pop_front() else {
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
            Order::Device(port) => model.map(port, revision),
            Order::DeviceGone(port) => {
                model.devices.remove(&port);
            }
            Order::Stored { port, .. } => {
                model.unstored.remove(&port);
            }
            Order::StandBy => {
                model.lanes = Lanes::Waiting(None);
                model.say(Word::StandingBy);
            }
            Order::Activate(term) => model.lanes = Lanes::Waiting(Some(term)),
            Order::Prepare(term) => model.answer(term, Word::Prepared(term)),
            Order::Quiesce { term, reconnect } => model.quiesce(term, reconnect),
            Order::Abort(term) => {
                model.quiesced = false;
                model.say(Word::Aborted { term, discarded: 1 });
            }
            Order::Stop => self.kill(id),
        }
    }

    /// The instance becomes warm by itself.
    pub fn warm_up(&mut self, id: InstanceId) {
        let model = self.model(id);
        model.started = true;
        model.say(Word::Warm);
    }

    /// The lanes of an instance go one step, if there is one to go.
    pub fn run_lanes(&mut self, id: InstanceId) {
        match self.look(id).lanes {
            Lanes::Owning(term) if self.release > term => {
                let term = self.release;
                self.owner = None;
                self.owner_died = false;
                self.model(id).lanes = Lanes::LetGo(term);
                self.model(id).say(Word::Released { term, drained: 3 });
            }
            Lanes::Waiting(term) if self.owner.is_none() => self.take_lanes(id, term),
            Lanes::LetGo(_) if self.begun >= self.release => self.model(id).lanes = Lanes::Idle,
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
        model.say(Word::Active {
            term,
            after_death,
            freeze_ns,
        });
    }
}

impl Model {
    fn map(&mut self, port: PortId, revision: u64) {
        let trouble = self
            .takes_fault(Fault::FailToMap)
            .then(|| "told to fail".to_string());
        if trouble.is_none() {
            self.devices.insert(port, revision);
        }
        self.say(Word::Mapped {
            port,
            revision,
            trouble,
        });
    }

    fn quiesce(&mut self, term: Term, reconnect: bool) {
        if reconnect && self.fault != Some(Fault::Refuse) {
            for port in std::mem::take(&mut self.devices).into_keys() {
                self.outbox.push_back(Word::DeviceGone(port));
            }
            self.unstored.clear();
        }
        self.quiesced = self.fault != Some(Fault::Refuse);
        self.answer(term, Word::Quiesced(term));
    }
}
