//! What can happen next in the small world.

use super::instance::Lanes;
use super::{Device, Fault, Link, World, port};
use vhost_transfer::{InstanceId, PortId};
use vswsup::policy::{Event, Order, Timer, Word};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Obey(InstanceId),
    Hear(InstanceId),
    WarmUp(InstanceId),
    RunLanes(InstanceId),
    OpenUplink,
    TellOfLanes(InstanceId),
    Change(InstanceId, u16),
    Read(InstanceId, u16),
    NoticeEnd(InstanceId, u16),
    Disconnect(u16),
    Promote {
        reconnect: bool,
    },
    AddPort(u16),
    RemovePort(u16),
    TimeOut(Timer),
    Kill(InstanceId),
    KillOver(InstanceId, u16),
    /// It does nothing any more.
    Stick(InstanceId),
    /// It does nothing any more, and cannot be killed at once.
    StickInKernel(InstanceId),
    FindHang(InstanceId),
    Perish(InstanceId),
    Break(InstanceId),
    Misbehave(InstanceId, Fault),
    BreakSteering,
    KillSupervisor,
    StartSupervisor,
    Pin,
    Unpin,
    PutBack(u16),
    LoseLink(InstanceId, Link),
    TellLink(InstanceId),
    MendLink(InstanceId),
    Stop,
}

impl World {
    /// What goes on by itself when nothing is wrong and nobody asks for anything.
    pub(crate) fn progress(&self) -> Vec<Move> {
        let of_instances = InstanceId::BOTH
            .into_iter()
            .flat_map(|id| self.progress_of(id));
        let of_supervisor = (!self.supervised).then_some(Move::StartSupervisor);
        let of_uplink = self.moving.map(|_| Move::OpenUplink);
        let of_both = of_supervisor.into_iter().chain(of_uplink);
        of_instances.chain(of_both).collect()
    }

    fn progress_of(&self, id: InstanceId) -> Vec<Move> {
        let model = self.look(id);
        let mut moves = Vec::new();
        let to_hear = !model.outbox.is_empty() || model.exists && !model.runs;
        if self.supervised && to_hear {
            moves.push(Move::Hear(id));
        }
        if self.supervised && self.is_link_news(id) {
            moves.push(Move::TellLink(id));
        }
        if !model.runs {
            return moves;
        }
        if model.stuck {
            let watched = self.state.watched(id);
            moves.extend((watched.lanes || watched.control).then_some(Move::FindHang(id)));
            return moves;
        }
        if !model.inbox.is_empty() {
            moves.push(Move::Obey(id));
        }
        if !model.started {
            moves.push(Move::WarmUp(id));
        }
        if !model.lane_words.is_empty() {
            moves.push(Move::TellOfLanes(id));
        }
        if self.lanes_can_go(id) {
            moves.push(Move::RunLanes(id));
        }
        if model.serves() {
            moves.extend(self.front_ends_of(id));
        }
        moves
    }

    /// What the owner of the lanes sees on its connections.
    fn front_ends_of(&self, id: InstanceId) -> impl Iterator<Item = Move> {
        let model = self.look(id);
        model.devices.iter().filter_map(move |(port, device)| {
            if self.connected.get(port) != Some(&device.connection) {
                Some(Move::NoticeEnd(id, port.get()))
            } else if self.unread.contains(port) && !model.unstored.contains(port) {
                Some(Move::Read(id, port.get()))
            } else {
                None
            }
        })
    }

    /// It has the connection, or the front end is about to connect.
    fn may_change(&self, id: InstanceId, port: PortId) -> bool {
        let model = self.look(id);
        let connection = model.devices.get(&port).map(|device| device.connection);
        let mine = self.connected.get(&port).copied() == connection;
        mine && !self.unread.contains(&port) && !model.unstored.contains(&port)
    }

    /// A person who puts a port back is slower than the instances that are told to remove it.
    fn is_being_removed(&self, port: PortId) -> bool {
        let mut models = self.models.iter().filter(|model| model.runs);
        models.any(|model| {
            let mut orders = model.inbox.iter();
            orders.any(|(order, _)| *order == Order::RemovePort(port)) || !model.outbox.is_empty()
        })
    }

    fn lanes_can_go(&self, id: InstanceId) -> bool {
        match self.look(id).lanes {
            Lanes::Idle => false,
            Lanes::Owning(term) => self.release > term,
            Lanes::Waiting(_) => self.owner.is_none(),
            Lanes::LetGo(term) => self.may_take_back(id) || self.begun >= term,
        }
    }

    /// The old lanes wait before they take their locks back; so they only come first when the new
    /// ones are not there, or are late, which is a mishap.
    fn may_take_back(&self, id: InstanceId) -> bool {
        let next = self.look(id.other());
        self.owner.is_none() && !(next.runs && matches!(next.lanes, Lanes::Waiting(_)))
    }

    /// What people and front ends may ask for.
    pub(crate) fn wishes(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if !self.supervised {
            return moves;
        }
        if self.promotes_left > 0 {
            moves.extend([false, true].map(|reconnect| Move::Promote { reconnect }));
        }
        if self.pins_left > 0 {
            moves.extend([Move::Pin, Move::Unpin]);
        }
        moves.extend(self.links_to_lose());
        if self.changes_left == 0 {
            return moves;
        }
        moves.extend(
            self.quarantined
                .iter()
                .filter(|&&port| !self.is_being_removed(port))
                .map(|port| Move::PutBack(port.get())),
        );
        moves.push(match self.ports.last() {
            Some(last) if *last != port(1) => Move::RemovePort(last.get()),
            _ => Move::AddPort(self.unused_port),
        });
        for id in InstanceId::BOTH {
            if self.look(id).serves() && !self.look(id).stuck {
                let ports = self.look(id).ports.iter();
                let changes = ports.filter(|&&port| self.may_change(id, port));
                moves.extend(changes.map(|port| Move::Change(id, port.get())));
            }
        }
        moves.extend(
            self.connected
                .keys()
                .map(|port| Move::Disconnect(port.get())),
        );
        moves
    }

    /// What can go wrong.
    pub(crate) fn mishaps(&self) -> Vec<Move> {
        let mut moves: Vec<_> = self
            .timers
            .iter()
            .filter(|timer| !is_pause(timer))
            .map(|&timer| Move::TimeOut(timer))
            .collect();
        if self.supervised {
            moves.push(Move::BreakSteering);
        }
        // The next one would not know of a stop.
        if self.supervised && !self.state.is_stopping() {
            moves.push(Move::KillSupervisor);
        }
        for id in InstanceId::BOTH {
            if self.look(id).runs {
                if matches!(self.look(id).lanes, Lanes::LetGo(_)) && self.owner.is_none() {
                    moves.push(Move::RunLanes(id));
                }
                moves.extend([Move::Kill(id), Move::Stick(id), Move::StickInKernel(id)]);
                if self.supervised {
                    moves.push(Move::Break(id));
                    let over = self.ports.iter().map(|port| Move::KillOver(id, port.get()));
                    moves.extend(over);
                }
                let faults = [Fault::Refuse, Fault::FailToMap, Fault::Swallow];
                moves.extend(faults.map(|fault| Move::Misbehave(id, fault)));
            }
        }
        moves
    }

    /// Pauses that come to their end.
    pub(crate) fn pauses(&self) -> Vec<Move> {
        let gone = |&id: &InstanceId| self.look(id).runs && self.look(id).kills > 1;
        let perish = InstanceId::BOTH.into_iter().filter(gone).map(Move::Perish);
        let timers = self.timers.iter().map(|&timer| Move::TimeOut(timer));
        perish.chain(timers).chain(self.links_to_mend()).collect()
    }

    pub(crate) fn make(&mut self, next: Move) {
        self.make_one(next);
        self.close_connections();
    }

    fn make_one(&mut self, next: Move) {
        match next {
            Move::Obey(id) => self.obey(id),
            Move::Hear(id) => self.hear(id),
            Move::WarmUp(id) => self.warm_up(id),
            Move::RunLanes(id) => self.step_lanes(id),
            Move::OpenUplink => self.move_uplink(),
            Move::TellOfLanes(id) => self.model(id).tell_of_lanes(),
            Move::Change(id, number) => self.change(id, number),
            Move::Read(id, number) => self.read(id, port(number)),
            Move::NoticeEnd(id, number) => self.notice_end(id, port(number)),
            Move::Disconnect(number) => {
                self.changes_left -= 1;
                self.hang_up(port(number));
            }
            Move::Promote { reconnect } => {
                self.promotes_left -= 1;
                self.promote(reconnect);
            }
            Move::AddPort(number) => {
                self.changes_left -= 1;
                self.unused_port += 1;
                self.happen(Event::PortAdded(port(number)));
            }
            Move::RemovePort(number) => {
                self.changes_left -= 1;
                self.vault.remove(&port(number));
                self.happen(Event::PortRemoved(port(number)));
            }
            Move::TimeOut(timer) => self.happen(Event::TimedOut(timer)),
            Move::Kill(id) => self.kill(id),
            Move::KillOver(id, number) => {
                self.model(id).dies_over = Some(port(number));
                self.kill(id);
            }
            Move::Stick(id) => self.model(id).stuck = true,
            Move::StickInKernel(id) => {
                self.model(id).stuck = true;
                self.model(id).undead = true;
            }
            Move::FindHang(id) => self.happen(Event::Hung(id, "stuck by the test".into())),
            Move::Perish(id) => {
                self.model(id).undead = false;
                self.kill(id);
            }
            Move::Pin => {
                self.pins_left -= 1;
                self.pin(Event::Pin);
            }
            Move::Unpin => {
                self.pins_left -= 1;
                self.pin(Event::Unpin);
            }
            Move::PutBack(number) => {
                self.changes_left -= 1;
                self.quarantined.remove(&port(number));
                self.happen(Event::PortAdded(port(number)));
            }
            Move::Break(id) => self.happen(Event::Broken(id, "broken by the test".into())),
            Move::Misbehave(id, fault) => self.model(id).fault = Some(fault),
            Move::BreakSteering => self.steer_failures += 1,
            Move::KillSupervisor => self.kill_supervisor(),
            Move::StartSupervisor => self.start_supervisor(),
            Move::LoseLink(id, link) => {
                self.links_left -= 1;
                self.set_link(id, link);
            }
            Move::TellLink(id) => self.tell_link(id),
            Move::MendLink(id) => self.set_link(id, Link::Well),
            Move::Stop => self.happen(Event::Stop),
        }
    }

    fn change(&mut self, id: InstanceId, number: u16) {
        self.changes_left -= 1;
        let port = port(number);
        if !self.connected.contains_key(&port) {
            self.connected.insert(port, self.next_connection);
            self.next_connection += 1;
        }
        self.unread.insert(port);
        self.read(id, port);
    }

    /// The owner reads a message of a front end, and tells the supervisor before it takes it.
    fn read(&mut self, id: InstanceId, port: PortId) {
        let connection = self.connected[&port];
        let model = self.model(id);
        let before = model.devices.get(&port);
        let before = before.filter(|device| device.connection == connection);
        let revision = before.map_or(1, |device| device.revision + 1);
        let device = Device {
            revision,
            connection,
        };
        model.devices.insert(port, device);
        model.unstored.insert(port);
        let word = Word::Device { port, revision };
        model.outbox.push_back((word, connection));
    }

    /// The owner sees the end of a connection.
    fn notice_end(&mut self, id: InstanceId, port: PortId) {
        let model = self.model(id);
        model.devices.remove(&port);
        model.unstored.remove(&port);
        model.outbox.push_back((Word::DeviceGone(port), 0));
    }

    /// Nothing goes wrong any more: things go on until nothing is left to do but what timers begin.
    pub(crate) fn settle(&mut self) {
        self.steer_failures = 0;
        if self.moves_uplink {
            // Else it would be tried for ever to open it.
            self.set_link(InstanceId::A, Link::Well);
        }
        if self.state.is_pinned() {
            self.pin(Event::Unpin);
        }
        for _ in 0..2000 {
            self.see_to_what_is_given_up();
            let next = match self.progress().first() {
                Some(&next) => next,
                None => match self.pauses().first() {
                    Some(&next) => next,
                    None => return,
                },
            };
            self.make(next);
            if self.exited || self.gave_up {
                return;
            }
        }
        panic!("does not come to rest: {self:#?}");
    }

    fn see_to_what_is_given_up(&mut self) {
        if InstanceId::BOTH
            .iter()
            .any(|&id| self.state.is_given_up(id))
        {
            self.happen(Event::TryAgain);
        }
    }

    /// As [`Self::settle`], and nobody sees to the uplinks. To open what is gone is tried for ever.
    pub(crate) fn settle_timers(&mut self) {
        for _ in 0..2000 {
            let is_in_vain = self.moves_uplink && self.link(InstanceId::A) == Link::Gone;
            let timers = self.timers.iter();
            let timers = timers.filter(|timer| !is_in_vain || **timer != Timer::Steer);
            let timers = timers.map(|&timer| Move::TimeOut(timer));
            match self.progress().into_iter().chain(timers).next() {
                Some(next) => self.make(next),
                None => return,
            }
        }
        panic!("does not come to rest: {self:#?}");
    }

    /// Everything that goes on by itself has gone on; no timer has run out.
    pub(crate) fn run(&mut self) {
        for _ in 0..2000 {
            match self.progress().first() {
                Some(&next) => self.make(next),
                None => return,
            }
        }
        panic!("does not come to rest: {self:#?}");
    }
}

/// A timer for which nobody waits: that it runs out is no mishap.
fn is_pause(timer: &Timer) -> bool {
    matches!(
        timer,
        Timer::Respawn(_) | Timer::Calm(_) | Timer::Poison(_) | Timer::Steer
    )
}

impl World {
    pub(crate) fn wish_nothing(&mut self) {
        self.promotes_left = 0;
        self.changes_left = 0;
        self.pins_left = 0;
        self.links_left = 0;
    }
}
