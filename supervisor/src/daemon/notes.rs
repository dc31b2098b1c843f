//! What the policy has to tell people: for the log, for the events, and for the history.

use super::fate::Fate;
use super::ports::NumberedPort;
use super::process::End;
use super::report::count;
use super::{Daemon, console, core_file};
use crate::control::protocol::{EventKind, FailoverReport, HistoryEntry, MoveKind};
use crate::policy::Note;
use std::cmp::Ordering;
use vhost_transfer::{InstanceId, PortId, Term};

impl Daemon {
    /// A line of the log, which is an event as well.
    pub(super) fn tell_people(
        &mut self,
        kind: EventKind,
        instance: Option<InstanceId>,
        port: Option<&str>,
        text: String,
    ) {
        console::say(format_args!("{text}"));
        let port = port.map(str::to_owned);
        self.event_log.record(kind, instance, port, text);
    }

    pub(super) fn tell_of(&mut self, kind: EventKind, id: InstanceId, text: String) {
        self.tell_people(kind, Some(id), None, text);
    }

    pub(super) fn tell_of_port(&mut self, kind: EventKind, port: &str, what: &str) {
        self.tell_people(kind, None, Some(port), format!("port {port}: {what}"));
    }

    pub(super) fn take_note(&mut self, note: Note) {
        match note {
            Note::Began {
                instance,
                term,
                after,
                freeze_ns,
            } => self.note_beginning(instance, term, after, freeze_ns),
            Note::Adopted(id, life) => {
                self.begin_to_count_stray(id);
                self.probe_soon();
                let text = format!("{id} goes on as {life:?}");
                self.tell_of(EventKind::Adopted, id, text);
            }
            Note::Spare(id) => {
                self.fates.is_back(id);
                self.begin_to_count_stray(id);
                self.probe_soon();
                self.tell_of(EventKind::Spare, id, format!("{id} stands by"));
            }
            Note::Dropped(id, reason) => {
                let text = format!("{id} is given up: {reason}");
                self.tell_of(EventKind::Dropped, id, text);
            }
            Note::Hung(id, how) => {
                self.tell_of(EventKind::Hung, id, format!("{id} hangs: {how}"));
            }
            Note::Unfenced(id) => {
                let text = format!("{id} {}", unfenced(self.process_pid(id)));
                self.tell_of(EventKind::Unfenced, id, text);
            }
            Note::Died(id, reason) => self.note_end(id, &reason),
            Note::GivenUp(id, times, reason) => {
                let text = format!("{id} is {}", given_up(times, &reason));
                self.tell_of(EventKind::GivenUp, id, text);
            }
            Note::Blamed(id, port) => self.note_blame(id, port),
            Note::Pinned(true) => {
                self.remember();
                let text = "pinned: nothing takes over until it is unpinned".to_owned();
                self.tell_people(EventKind::Pinned, None, None, text);
            }
            Note::Pinned(false) => {
                self.remember();
                let text = "unpinned: failover is on again".to_owned();
                self.tell_people(EventKind::Unpinned, None, None, text);
            }
            Note::DeviceLost(port, reason) => self.note_port(port, reason),
            Note::SteeringFailed(id, reason) => {
                let text = format!("steering to {id} failed: {reason}");
                self.tell_of(EventKind::Steering, id, text);
            }
            Note::Uplink(id, health) => {
                let text = format!("the uplink of {id} is {health}");
                self.tell_of(EventKind::Uplink, id, text);
            }
            Note::Ignored(id, what) => self.note_ignored(id, &what),
        }
    }

    /// One that goes on and on would drive everything else out of the events.
    fn note_ignored(&mut self, id: InstanceId, what: &str) {
        let text = match self.fates.count_ignored(id) {
            Ordering::Less => format!("{id}: ignored: {what}"),
            Ordering::Equal => format!("{id}: ignored: {what}; what else is ignored is not told"),
            Ordering::Greater => return,
        };
        self.tell_of(EventKind::Ignored, id, text);
    }

    fn note_beginning(
        &mut self,
        id: InstanceId,
        term: Term,
        after: Option<InstanceId>,
        freeze_ns: Option<u64>,
    ) {
        let mut entry = match after {
            None => self.entry(MoveKind::Activate, None, Some(id), "no instance was active"),
            Some(dead) => self.failover(dead, id),
        };
        entry.freeze_us = freeze_ns.map(|ns| ns as f64 / 1000.0);
        self.fates.is_back(id);
        let text = format!("term {term}: {id} is active: {}", entry.cause);
        self.tell_of(EventKind::Active, id, text);
        self.history.record(entry);
    }

    /// What is known at once; the rest comes when the process has ended.
    fn failover(&mut self, dead: InstanceId, next: InstanceId) -> HistoryEntry {
        self.note_death(dead);
        let fate = self.fates.of_fallen(dead);
        let report = self.failover_report(&fate);
        let cause = cause(dead, &fate);
        HistoryEntry {
            failover: Some(report),
            ..self.entry(MoveKind::Failover, Some(dead), Some(next), &cause)
        }
    }

    fn failover_report(&self, fate: &Fate) -> FailoverReport {
        let port = fate.port().and_then(|port| self.ports.get(port));
        let mut report = FailoverReport {
            ended: fate.end.is_some(),
            signal: fate.death.map(|death| i32::from(death.signal)),
            hang: fate.hang.map(|hang| hang.to_string()),
            detection_us: fate.hang.map(|hang| hang.stale.as_micros() as u64),
            port: port.map(|port| port.name().to_owned()),
            devices: count(self.vault.len()),
            ..FailoverReport::default()
        };
        match fate.end {
            Some((
                pid,
                End::Killed {
                    signal,
                    core_dumped,
                },
            )) => {
                report.signal = Some(signal);
                report.core_dumped = core_dumped;
                report.core_file = core_dumped.then(|| core_file::find(pid)).flatten();
            }
            Some((_, End::Left { status })) => report.exit_status = Some(status),
            Some((_, End::Lost)) | None => {}
        }
        report
    }

    fn note_end(&mut self, id: InstanceId, reason: &str) {
        let fate = self.fates.of(id).clone();
        let report = self.failover_report(&fate);
        let core = report.core_file.as_deref();
        let core = core.map_or_else(String::new, |file| format!(" to {}", file.display()));
        let text = format!("{id} has ended: {reason}{core}");
        self.tell_of(EventKind::Ended, id, text);
        let entry = self.entry(MoveKind::Exit, None, Some(id), reason);
        self.history.record(entry);
        if let Some(entry) = self.history.open_failover(id) {
            let devices = entry.failover.as_ref().map_or(0, |report| report.devices);
            entry.cause = cause(id, &fate);
            entry.failover = Some(FailoverReport { devices, ..report });
        }
    }

    fn note_blame(&mut self, id: InstanceId, port: PortId) {
        let name = self.ports.get(port).map(NumberedPort::name);
        let name = name.unwrap_or_default().to_owned();
        let text = format!("{id} was serving port {name} when it failed");
        self.tell_people(EventKind::Blamed, Some(id), Some(&name), text);
    }
}

/// Why the lanes of `dead` are somebody else's now.
fn cause(dead: InstanceId, fate: &Fate) -> String {
    match (fate.hang, fate.death, fate.end) {
        (Some(hang), _, _) => format!("{dead} hung: {hang}"),
        (None, Some(death), _) => format!("{dead} died of signal {}", death.signal),
        (None, None, Some((_, end))) => format!("{dead} died: {end}"),
        (None, None, None) => format!("the lanes of {dead} died"),
    }
}

/// That an instance is not started again, and what to do.
pub(super) fn given_up(times: u32, reason: &str) -> String {
    format!(
        "given up after {times} deaths in a row ({reason}): correct that, then run `vswsup reload`"
    )
}

/// That an instance cannot be got rid of, and what to do.
pub(super) fn unfenced(pid: Option<i32>) -> String {
    let pid = pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    format!(
        "was killed and is still there; NOBODY TAKES OVER while its lanes may run: see \
         /proc/{pid}/stack for what holds it in the kernel; if it never goes, restart the host"
    )
}
