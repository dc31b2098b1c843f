//! Tells the policy what happened, and does what it wants.

use super::process::Process;
use super::{Daemon, Due, console, roster};
use crate::ExitStatus;
use crate::policy::{Action, Event, Phase};
use std::time::{Duration, Instant};
use steering::Side;
use vhost_transfer::{InstanceId, PortId};

impl Daemon {
    /// `event`, what follows from it, and what follows from that.
    pub(super) fn happen(&mut self, event: Event) {
        self.events.push_back(event);
        self.happen_queued();
    }

    /// What happened while something else was done.
    pub(super) fn happen_queued(&mut self) {
        while let Some(event) = self.events.pop_front() {
            for action in self.policy.step(event) {
                self.perform(action);
            }
            self.observe();
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn(id) => self.prepare_spawn(id),
            Action::Kill(id) => self.kill(id),
            Action::Tell(id, order) => self.tell(id, order),
            Action::Keep(port) => self.keep(port),
            Action::Forget(port) => self.vault.forget(port),
            Action::Steer(id) if self.config.moves_uplink() => self.move_uplink(id),
            Action::Steer(id) => {
                let outcome = self.steer(id);
                self.events.push_front(Event::Steered(outcome));
            }
            Action::ReleaseFor(term) => self.ledger.handover().release_for(term),
            Action::Revoke(term) => self.ledger.handover().revoke(term),
            Action::CountStray(id) => {
                let strayed = self.count_stray(id);
                self.events.push_front(Event::Strayed(strayed));
            }
            Action::StartTimer(timer, limit) => {
                self.timers.start(Due::Policy(timer), Instant::now(), limit);
            }
            Action::StopTimer(timer) => self.timers.stop(Due::Policy(timer)),
            Action::Answer(request, outcome) => self.answer(request, outcome),
            Action::Moved(outcome) => self.moved(outcome),
            Action::Ready => self.service.is_ready(),
            Action::Note(note) => self.take_note(note),
            Action::Quarantine(port) => self.quarantine(port),
            Action::Exit => self.running = false,
            Action::GiveUp => self.give_up(),
        }
    }

    /// `hook`: how long the one before it took.
    pub(super) fn spawn(&mut self, id: InstanceId, hook: Option<Duration>) {
        // What the process before left there.
        let _ = self.ledger.instance(id).take_death();
        if let Err(reason) = self.prepare_uplink(id) {
            return self.events.push_back(Event::Died(id, reason));
        }
        let program = self.config.instance(id).program;
        let hidden = self.uplinks.hidden_from(id);
        match Process::spawn(program, &hidden, id, hook, self.poll.registry()) {
            Ok(process) => {
                self.spawned(id, process);
                self.fates.began(id);
            }
            Err(error) => {
                let reason = format!("{} cannot be started: {error}", program.display());
                self.events.push_back(Event::Died(id, reason));
            }
        }
    }

    fn spawned(&mut self, id: InstanceId, process: Process) {
        console::say(format_args!("{id} starts as process {}", process.pid()));
        if let Err(error) = roster::enter(self.runtime.path(), id, process.raw_pid()) {
            console::say(format_args!(
                "{id} cannot be taken over by another supervisor, since it cannot be written down: {error}"
            ));
        }
        self.processes[id as usize] = Some(process);
    }

    fn kill(&mut self, id: InstanceId) {
        if let Some(process) = self.process(id) {
            process.kill();
        }
    }

    /// The update that is just being told is the one that is meant.
    fn keep(&mut self, port: PortId) {
        if let Some((_, entry)) = self.incoming.take_if(|(incoming, _)| *incoming == port) {
            self.vault.keep(port, entry);
        }
        if let Some(numbered) = self.ports.get_mut(port) {
            numbered.trouble = None;
        }
    }

    /// In a handover packets wait from here to the release word, and it was verified before; else
    /// it is verified now.
    fn steer(&mut self, id: InstanceId) -> Result<(), String> {
        let outcome = self.steering.steer(side(id));
        outcome.map_err(|error| error.to_string())?;
        let in_handover = self
            .policy
            .handover()
            .is_some_and(|handover| handover.phase == Phase::Steering);
        if in_handover {
            return Ok(());
        }
        self.verify_steering(id)
    }

    /// Whether the NIC really delivers to `id`.
    pub(super) fn verify_steering(&self, id: InstanceId) -> Result<(), String> {
        if self.config.moves_uplink() {
            return match self.uplink_place.at() {
                Some(at) if at == id => Ok(()),
                Some(_) | None => Err(format!("the uplink is not open in {id}")),
            };
        }
        match self.steering.current() {
            Ok(Some(current)) if current == side(id) => Ok(()),
            Ok(Some(current)) => Err(format!("the NIC delivers to {current}")),
            Ok(None) => Err("the NIC delivers to neither".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Both were tried again and again: whoever starts the supervisor is to know.
    fn give_up(&mut self) {
        console::say(format_args!(
            "both instances are given up, and so does the supervisor: correct what is wrong and \
             start it again"
        ));
        self.ending = ExitStatus::Degraded;
        self.running = false;
    }

    /// From now on the NIC delivers nothing to `id` that is not lost should it die. In a handover this
    /// question to the NIC would take longer than all the rest.
    pub(super) fn begin_to_count_stray(&mut self, id: InstanceId) {
        self.delivered_before[id as usize] = self.delivered(id);
    }

    /// 0 when the backend cannot tell.
    fn count_stray(&self, id: InstanceId) -> u64 {
        let now = self.delivered(id);
        let before = self.delivered_before[id as usize];
        let both = now.zip(before);
        both.map_or(0, |(now, before)| now.saturating_sub(before))
    }

    /// What the NIC has delivered to `id`, without the probes.
    fn delivered(&self, id: InstanceId) -> Option<u64> {
        let all = self.steering.delivered(side(id))?;
        Some(all.saturating_sub(self.uplinks.probes_sent(id)))
    }
}

pub(super) fn side(id: InstanceId) -> Side {
    match id {
        InstanceId::A => Side::A,
        InstanceId::B => Side::B,
    }
}
