//! What to do when something happened: a pure function, without clock and I/O.
//!
//! [`State::step`] takes an [`Event`] and gives back [`Action`]s. Time is an event as well: the
//! policy asks for timers, and hears [`Event::TimedOut`]. Which timers run is not written down
//! anywhere but in [`timers`](State::timers), a function of the state: none can leak.
//!
//! An event changes the state where it must ([`State::handle`]); what follows from the state alone
//! follows after every event ([`State::follow_up`]): going on with a handover, leaving a bad uplink,
//! answering updates, handing out roles, steering, leaving.

mod abort;
mod adopt;
mod alone;
mod calm;
mod devices;
mod event;
mod failover;
mod fence;
mod handover;
mod instance;
mod limits;
mod pin;
mod poison;
mod roles;
mod start;
mod steer;
mod stop;
mod timer;
mod uplink;

pub use alone::Restart;
pub use event::{Action, Event, Note, Order, Outcome, Promoted, Request, Word};
pub use fence::Watched;
pub use handover::{Cause, Handover, Phase};
pub use instance::{Instance, Life};
pub use limits::Limits;
pub use steer::Steering;
pub use timer::Timer;
pub use uplink::Health;

use std::collections::{BTreeMap, BTreeSet};
use stop::Stopping;
use uplink::Uplink;
use vhost_transfer::{InstanceId, PortId, Term};

/// All that the policy knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    limits: Limits,
    instances: [Instance; 2],
    /// Which one takes the lanes when nobody has them and both could.
    heir: InstanceId,
    /// The term that runs, or ran last.
    term: Term,
    ports: BTreeSet<PortId>,
    /// The revision of each device in the vault.
    vault: BTreeMap<PortId, u64>,
    /// Updates of the owner that wait for their `Stored`.
    updates: BTreeMap<PortId, u64>,
    steering: Steering,
    uplinks: [Uplink; 2],
    /// A bad uplink has led to a handover, and nothing has changed since.
    fled: bool,
    handover: Option<Handover>,
    /// There is one instance at a time.
    alone: bool,
    restart: Option<Restart>,
    /// Nothing takes over by itself.
    pinned: bool,
    /// Requests to pin that wait until no lanes wait for the locks.
    pinning: BTreeSet<Request>,
    /// Ports over which an instance has died a short time ago.
    blamed: BTreeSet<PortId>,
    started: bool,
    /// [`Action::Ready`] is said.
    ready: bool,
    stopping: Stopping,
    /// What the step under way has found to be done; empty between steps.
    actions: Vec<Action>,
}

impl State {
    /// Nothing runs, nothing is known.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            instances: [Instance::new(), Instance::new()],
            heir: InstanceId::A,
            term: Term::default(),
            ports: BTreeSet::new(),
            vault: BTreeMap::new(),
            updates: BTreeMap::new(),
            steering: Steering::default(),
            uplinks: Default::default(),
            fled: false,
            handover: None,
            alone: false,
            restart: None,
            pinned: false,
            pinning: BTreeSet::new(),
            blamed: BTreeSet::new(),
            started: false,
            ready: false,
            stopping: Stopping::No,
            actions: Vec::new(),
        }
    }

    /// As [`Self::new`], for one instance at a time.
    pub fn alone(limits: Limits) -> Self {
        Self {
            alone: true,
            ..Self::new(limits)
        }
    }

    /// What is to be done now that `event` has happened, in order.
    #[must_use]
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut running = self.timers();
        if let Event::TimedOut(timer) = &event
            && running.remove(timer).is_none()
        {
            return Vec::new();
        }
        self.handle(event);
        self.follow_up();
        self.change_timers(&running);
        std::mem::take(&mut self.actions)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Start => self.start(),
            Event::Stop => self.stop(),
            Event::Promote { request, reconnect } if self.alone => {
                self.restart_as_other(request, reconnect);
            }
            Event::Promote { request, reconnect } => self.promote(request, reconnect),
            Event::Adopted {
                instance,
                standing,
                term,
                ports,
            } => self.adopted(instance, standing, term, &ports),
            Event::Restored {
                instance,
                port,
                revision,
            } => self.restored(instance, port, revision),
            Event::Delivers(id) => self.steering.delivers(id),
            Event::PortAdded(port) => self.port_added(port),
            Event::PortRemoved(port) => self.port_removed(port),
            Event::Said(instance, word) => self.heard(instance, word),
            Event::Broken(instance, reason) => self.drop_instance(instance, reason),
            Event::Hung(instance, how) => self.hung(instance, how),
            Event::Died(instance, reason) => self.died(instance, reason),
            Event::Blamed(instance, port) => self.blame(instance, port),
            Event::Pin(request) => self.pin(request),
            Event::Unpin(request) => self.unpin(request),
            Event::TryAgain => self.try_again(),
            Event::Uplink(instance, health) => self.uplink_is(instance, health),
            Event::OneUplink(health) => self.one_uplink_is(health),
            Event::Steered(outcome) => self.steered(outcome),
            Event::Strayed(packets) => self.strayed(packets),
            Event::TimedOut(timer) => self.timed_out(timer),
        }
    }

    fn heard(&mut self, from: InstanceId, word: Word) {
        if !self.instance(from).life.is_alive() {
            return;
        }
        match word {
            Word::Hello => self.hello(from),
            Word::Warm => self.warm(from),
            Word::Device { port, revision } => self.device(from, port, revision),
            Word::DeviceGone(port) => self.device_gone(from, port),
            Word::Mapped {
                port,
                revision,
                trouble,
            } => self.mapped(from, port, revision, trouble),
            Word::Prepared(term) => self.prepared(from, term),
            Word::Refused(term, reason) => self.refused(from, term, reason),
            Word::Quiesced(term) => self.quiesced(from, term),
            Word::Released { term, drained } => self.released(from, term, drained),
            Word::Active {
                term,
                after_death,
                freeze_ns,
            } => self.active_said(from, term, after_death, freeze_ns),
            Word::StandingBy => self.standing_by(from),
            Word::StoodDown => self.stood_down(from),
            Word::Aborted { term, discarded } => self.aborted(from, term, discarded),
        }
    }

    fn timed_out(&mut self, timer: Timer) {
        let reason = timer.reason(&self.limits);
        match timer {
            Timer::Start(instance) | Timer::Settle(instance) => {
                self.drop_instance(instance, reason);
            }
            Timer::Takeover => self.takeover_timed_out(reason),
            Timer::Mapped(port) => self.drop_armed(format!("{reason} (port {port})")),
            Timer::Leave(instance) => self.actions.push(Action::Kill(instance)),
            Timer::Respawn(instance) => self.spawn(instance),
            Timer::Calm(instance) => self.calmed(instance),
            Timer::Poison(port) => self.forgive(port),
            Timer::Prepare | Timer::Quiesce => self.abort(reason),
            Timer::Release => self.release_failed(&reason),
            Timer::Abort => self.abort_timed_out(&reason),
            Timer::Steer => self.steering.forget_trouble(),
        }
    }

    fn follow_up(&mut self) {
        self.go_on();
        self.see_to_uplinks();
        self.answer_updates();
        self.hand_out_roles();
        self.say_ready();
        self.answer_pins();
        self.steer();
        self.go_on_with_restart();
        self.leave();
        self.despair();
    }
}

/// What others may know.
impl State {
    /// One of the two instances.
    pub fn instance(&self, id: InstanceId) -> &Instance {
        match id {
            InstanceId::A => &self.instances[0],
            InstanceId::B => &self.instances[1],
        }
    }

    /// The instance that owns the lanes.
    pub fn active(&self) -> Option<InstanceId> {
        self.find(|life| life == Life::Active)
    }

    /// The instance that takes over when the active one dies.
    pub fn successor(&self) -> Option<InstanceId> {
        self.find(|life| life == Life::Standby)
            .filter(|&id| self.active() == Some(id.other()))
    }

    /// A successor that would serve as well as the active one does.
    pub fn spare(&self) -> Option<InstanceId> {
        self.successor().filter(|&id| !self.is_no_spare(id))
    }

    /// The term that runs, or ran last.
    pub fn term(&self) -> Term {
        self.term
    }

    /// The handover under way.
    pub fn handover(&self) -> Option<&Handover> {
        self.handover.as_ref()
    }

    /// Where the NIC delivers to.
    pub fn steering(&self) -> &Steering {
        &self.steering
    }

    /// The successor has mapped the device of `port` as the vault has it.
    pub fn is_mapped_by_successor(&self, port: PortId) -> bool {
        self.successor()
            .is_some_and(|standby| self.instance(standby).has_mapped(port))
    }

    /// The supervisor is on its way out.
    pub fn is_stopping(&self) -> bool {
        self.stopping != Stopping::No
    }

    fn instance_mut(&mut self, id: InstanceId) -> &mut Instance {
        match id {
            InstanceId::A => &mut self.instances[0],
            InstanceId::B => &mut self.instances[1],
        }
    }

    fn life(&self, id: InstanceId) -> Life {
        self.instance(id).life
    }

    /// Updates of one that owns the lanes no longer are not answered.
    fn set_life(&mut self, id: InstanceId, life: Life) {
        if self.life(id).owns() && !life.owns() {
            self.updates.clear();
        }
        self.instance_mut(id).life = life;
    }

    fn find(&self, wanted: impl Fn(Life) -> bool) -> Option<InstanceId> {
        InstanceId::BOTH
            .into_iter()
            .find(|&id| wanted(self.life(id)))
    }

    fn tell(&mut self, to: InstanceId, order: Order) {
        self.actions.push(Action::Tell(to, order));
    }

    fn note(&mut self, note: Note) {
        self.actions.push(Action::Note(note));
    }

    fn ignore(&mut self, from: InstanceId, what: impl Into<String>) {
        self.note(Note::Ignored(from, what.into()));
    }
}
