//! What came of it: for the one who asked, for the history, and for the log.

use super::Daemon;
use super::observe::Moving;
use crate::control::protocol::{
    EventKind, Failure, HistoryEntry, MoveKind, Outcome as Ending, PromoteReport, Response,
};
use crate::policy::{Cause, Outcome, Promoted, Request};
use std::time::SystemTime;
use vhost_transfer::InstanceId;

impl Daemon {
    /// A request has its outcome.
    pub(super) fn answer(&mut self, request: Request, outcome: Outcome) {
        let response = self.respond(outcome);
        if let Some(connection) = self.waiting.remove(&request) {
            self.control.reply(connection, &response);
        }
    }

    /// A move that nobody asked for has its outcome: it is told to the log and to the history alone.
    pub(super) fn moved(&mut self, outcome: Outcome) {
        self.respond(outcome);
    }

    /// A move that was begun goes into the history.
    fn respond(&mut self, outcome: Outcome) -> Response {
        match outcome {
            Outcome::Refused { reason } => Response::Failed(Failure::refused(reason)),
            Outcome::Done => Response::Done,
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
        }
    }

    fn promoted(&mut self, promoted: &Promoted) -> Response {
        let freeze_us = promoted.freeze_ns.map(|ns| ns as f64 / 1000.0);
        let text = format!(
            "term {}: {} is active, promoted from {}",
            promoted.term, promoted.to, promoted.from
        );
        self.tell_of(EventKind::Active, promoted.to, text);
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
        let text = format!("not promoted: {}", failure.reason);
        self.tell_people(EventKind::NotPromoted, None, None, text);
        if let Some(moving) = self.moving.take().map(Moving::ended) {
            let mut entry = self.entry_of(&moving, Ending::Failed(failure.reason.clone()));
            entry.discarded = failure.discarded;
            self.history.record(entry);
        }
        Response::Failed(failure)
    }

    fn entry_of(&self, moving: &Moving, outcome: Ending) -> HistoryEntry {
        let (kind, cause) = match &moving.cause {
            Cause::Asked(_) if self.policy.is_alone() => (MoveKind::Restart, "asked for"),
            Cause::Asked(_) if moving.reconnect => (MoveKind::Reconnect, "asked for"),
            Cause::Asked(_) => (MoveKind::Promote, "asked for"),
            Cause::Uplink(reason) => (MoveKind::Escape, reason.as_str()),
        };
        HistoryEntry {
            outcome,
            total_us: Some(moving.total_us()),
            phases: moving.phases.clone(),
            ..self.entry(kind, Some(moving.from), Some(moving.to), cause)
        }
    }

    /// An instance became warm.
    pub(super) fn record_start(&mut self, id: InstanceId, total_us: u64) {
        let phases = self.process(id).map(|process| process.phases.clone());
        let entry = self.entry(MoveKind::Start, None, Some(id), "no process");
        self.history.record(HistoryEntry {
            total_us: Some(total_us),
            phases: phases.unwrap_or_default(),
            ..entry
        });
    }

    pub(super) fn entry(
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
            failover: None,
            phases: Vec::new(),
        }
    }
}
