//! What came of it: for the one who asked, for the history, and for the log.

use super::observe::Moving;
use super::{Daemon, console};
use crate::control::protocol::{
    Failure, HistoryEntry, MoveKind, Outcome as Ending, PromoteReport, Response,
};
use crate::policy::{Note, Outcome, Promoted, Request};
use std::time::SystemTime;
use vhost_transfer::InstanceId;

impl Daemon {
    /// A request has its outcome. A move that was begun goes into the history.
    pub(super) fn answer(&mut self, request: Request, outcome: Outcome) {
        let response = match outcome {
            Outcome::Refused { reason } => Response::Failed(Failure::refused(reason)),
            Outcome::Promoted(promoted) => self.promoted(&promoted),
            Outcome::Failed { reason, discarded } => self.not_promoted(Failure {
                reason,
                traffic_affected: false,
                discarded,
            }),
            Outcome::Degraded { reason, discarded } => self.not_promoted(Failure {
                reason,
                traffic_affected: true,
                discarded,
            }),
        };
        if let Some(connection) = self.waiting.remove(&request) {
            self.control.reply(connection, &response);
        }
    }

    fn promoted(&mut self, promoted: &Promoted) -> Response {
        let freeze_us = promoted.freeze_ns.map(|ns| ns as f64 / 1000.0);
        console::say(format_args!(
            "term {}: {} is active, promoted from {}",
            promoted.term, promoted.to, promoted.from
        ));
        let Some(moving) = self.moving.take().map(Moving::ended) else {
            return Response::Done;
        };
        let mut entry = self.entry_of(&moving, Ending::Done);
        entry.freeze_us = freeze_us;
        self.history.record(entry);
        Response::Promoted(PromoteReport {
            term: promoted.term.0,
            from: promoted.from,
            to: promoted.to,
            reconnect: moving.reconnect,
            freeze_us,
            total_us: moving.total_us(),
            phases: moving.phases,
            drained: promoted.drained,
        })
    }

    fn not_promoted(&mut self, failure: Failure) -> Response {
        console::say(format_args!("not promoted: {}", failure.reason));
        if let Some(moving) = self.moving.take().map(Moving::ended) {
            let mut entry = self.entry_of(&moving, Ending::Failed(failure.reason.clone()));
            entry.discarded = failure.discarded;
            self.history.record(entry);
        }
        Response::Failed(failure)
    }

    fn entry_of(&self, moving: &Moving, outcome: Ending) -> HistoryEntry {
        let kind = if moving.reconnect {
            MoveKind::Reconnect
        } else {
            MoveKind::Promote
        };
        HistoryEntry {
            outcome,
            total_us: Some(moving.total_us()),
            ..self.entry(kind, Some(moving.from), Some(moving.to), "asked for")
        }
    }

    /// An instance became warm.
    pub(super) fn record_start(&mut self, id: InstanceId) {
        let took = |phases: &[_]| {
            phases
                .iter()
                .map(|phase: &vhost_transfer::message::Phase| phase.us)
                .sum()
        };
        let total_us = self.process(id).map(|process| took(&process.phases));
        let entry = self.entry(MoveKind::Start, None, Some(id), "no process");
        self.history.record(HistoryEntry { total_us, ..entry });
    }

    pub(super) fn take_note(&mut self, note: Note) {
        match note {
            Note::Began {
                instance,
                term,
                after,
            } => self.note_beginning(instance, term.0, after),
            Note::Spare(id) => {
                self.begin_to_count_stray(id);
                console::say(format_args!("{id} stands by"));
            }
            Note::Dropped(id, reason) => console::say(format_args!("{id} is given up: {reason}")),
            Note::Died(id, reason) => {
                console::say(format_args!("{id} has ended: {reason}"));
                let entry = self.entry(MoveKind::Exit, None, Some(id), &reason);
                self.history.record(entry);
            }
            Note::DeviceLost(port, reason) => self.note_port(port, reason),
            Note::SteeringFailed(id, reason) => {
                console::say(format_args!("steering to {id} failed: {reason}"));
            }
            Note::Ignored(id, what) => console::say(format_args!("{id}: ignored: {what}")),
        }
    }

    fn note_beginning(&mut self, id: InstanceId, term: u64, after: Option<InstanceId>) {
        let (kind, cause) = match after {
            None => (MoveKind::Activate, "no instance was active".to_owned()),
            Some(dead) => (MoveKind::Failover, format!("the lanes of {dead} died")),
        };
        console::say(format_args!("term {term}: {id} is active: {cause}"));
        let entry = self.entry(kind, after, Some(id), &cause);
        self.history.record(entry);
    }

    fn entry(
        &self,
        kind: MoveKind,
        from: Option<InstanceId>,
        to: Option<InstanceId>,
        cause: &str,
    ) -> HistoryEntry {
        HistoryEntry {
            time: SystemTime::now(),
            kind,
            term: self.policy.term().0,
            from,
            to,
            cause: cause.to_owned(),
            outcome: Ending::Done,
            freeze_us: None,
            total_us: None,
            discarded: 0,
        }
    }
}
