//! Waits, and takes what became ready in turn.

use super::service::Service;
use super::{Daemon, DaemonError, Due, instance_of, roster, tokens};
use crate::policy::Event;
use mio::event::Event as Readiness;
use mio::{Events, Token};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use vhost_transfer::InstanceId;

/// Messages of one instance in a row, before others get their turn.
const TURN: usize = 256;
/// Last words of an instance that has ended: what its socket could hold, and more.
const LAST_WORDS: usize = 16_384;

impl Daemon {
    /// Until the policy says that it is over.
    pub(super) fn run(&mut self) -> Result<(), DaemonError> {
        let mut ready = Events::with_capacity(64);
        self.start_watchdog();
        self.start_watch();
        self.start_to_watch_uplinks();
        self.happen(Event::Start);
        while self.running {
            self.wait(&mut ready)?;
            for readiness in &ready {
                self.take(readiness);
            }
            self.hear_the_rest();
            self.time_out();
        }
        Ok(())
    }

    fn wait(&mut self, ready: &mut Events) -> Result<(), DaemonError> {
        let some_wait = self
            .processes
            .iter()
            .flatten()
            .any(|process| process.has_more);
        let limit = if some_wait {
            Some(Duration::ZERO)
        } else {
            self.timers.wait(Instant::now())
        };
        match self.poll.poll(ready, limit) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(DaemonError::Loop(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn take(&mut self, readiness: &Readiness) {
        let token = readiness.token();
        if let Some(id) = instance_of(token, tokens::lifeline) {
            self.lifeline_ready(id, readiness);
        } else if let Some(id) = instance_of(token, tokens::exit) {
            self.ended(id);
        } else if self.control.owns(token) {
            for (connection, request) in self.control.ready(token) {
                self.asked(connection, request);
            }
        } else if token == tokens::HOOKS {
            self.hear_hooks();
        } else {
            self.signalled(token);
        }
    }

    fn lifeline_ready(&mut self, id: InstanceId, readiness: &Readiness) {
        if readiness.is_writable()
            && let Some(process) = self.process(id)
            && let Err(error) = process.lifeline.flush()
        {
            self.happen(Event::Broken(id, error.to_string()));
        }
        if readiness.is_readable() || readiness.is_read_closed() {
            self.hear_up_to(id, TURN);
        }
    }

    fn hear_the_rest(&mut self) {
        for id in InstanceId::BOTH {
            if self.process(id).is_some_and(|process| process.has_more) {
                self.hear_up_to(id, TURN);
            }
        }
    }

    /// What it said before it ended comes first.
    fn ended(&mut self, id: InstanceId) {
        self.hear_up_to(id, LAST_WORDS);
        let Some(process) = self.process(id) else {
            return;
        };
        let pid = process.pid();
        if let Some(end) = process.end() {
            self.processes[id as usize] = None;
            roster::strike(self.runtime.path(), id);
            self.note_death(id);
            let how = end.to_string();
            self.fates.ended(id, pid, end);
            self.owe_post_stop(id, how.clone());
            self.happen(Event::Died(id, how));
            self.forget_uplink_of(id);
            self.blame(id);
        }
    }

    fn signalled(&mut self, token: Token) {
        if token == tokens::STOP {
            for _ in 0..self.signals.stops() {
                self.service.stops();
                self.happen(Event::Stop);
            }
        }
        if token == tokens::RELOAD && self.signals.reloads() > 0 {
            self.reload_by_signal();
        }
    }

    fn time_out(&mut self) {
        let now = Instant::now();
        while let Some(due) = self.timers.pop(now) {
            match due {
                Due::Policy(timer) => self.happen(Event::TimedOut(timer)),
                Due::UplinkMove => self.uplink_move_timed_out(),
                Due::Uplinks => self.look_at_uplinks(),
                Due::Probes => self.probe_uplinks(),
                Due::Watch => self.look_for_hangs(),
                Due::Watchdog => {
                    self.service.is_alive();
                    self.start_watchdog();
                }
            }
        }
    }

    fn start_watchdog(&mut self) {
        if let Some(period) = Service::watchdog() {
            self.timers.start(Due::Watchdog, Instant::now(), period);
        }
    }
}
