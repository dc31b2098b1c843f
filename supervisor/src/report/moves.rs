//! What moved: `promote`, `history`, `reload`.

use super::table::{or_dash, table};
use crate::control::protocol::{
    EventReport, HistoryEntry, MoveKind, Outcome, PromoteReport, ReloadReport,
};
use std::time::Duration;

/// One line, and one for the phases.
pub fn promoted(report: &PromoteReport) -> String {
    let freeze = report.freeze_us.map(|us| format!(", freeze {us:.1} µs"));
    let reconnect = if report.reconnect {
        ", front ends had to connect again"
    } else {
        ""
    };
    let phases = report
        .phases
        .iter()
        .map(|phase| format!("{} {} µs", phase.name, phase.us));
    format!(
        "{} is active (term {}), {} was{}, {} in all, {} packets drained{reconnect}\n{}\n",
        report.to,
        report.term,
        report.from,
        freeze.unwrap_or_default(),
        microseconds(report.total_us),
        report.drained,
        phases.collect::<Vec<_>>().join(", ")
    )
}

fn microseconds(us: u64) -> String {
    humantime::format_duration(Duration::from_micros(us)).to_string()
}

/// A table, newest last.
pub fn history(entries: &[HistoryEntry]) -> String {
    let row = |entry: &HistoryEntry| {
        [
            humantime::format_rfc3339_millis(entry.time).to_string(),
            kind(entry.kind).to_owned(),
            entry.term.to_string(),
            or_dash(entry.from),
            or_dash(entry.to),
            or_dash(entry.freeze_us.map(|us| format!("{us:.1}"))),
            or_dash(entry.total_us),
            entry.discarded.to_string(),
            outcome(&entry.outcome),
            cause(entry),
        ]
    };
    let header = [
        "TIME",
        "WHAT",
        "TERM",
        "FROM",
        "TO",
        "FREEZE/µs",
        "TOTAL/µs",
        "LOST",
        "OUTCOME",
        "CAUSE",
    ];
    table(header, entries.iter().map(row).collect())
}

/// What else is known of a failover goes behind its cause.
fn cause(entry: &HistoryEntry) -> String {
    let Some(failover) = &entry.failover else {
        return entry.cause.clone();
    };
    let port = failover
        .port
        .as_ref()
        .map(|port| format!("over port {port}"));
    let core = failover.core_dumped.then(|| match &failover.core_file {
        Some(path) => format!("core in {}", path.display()),
        None => "core dumped".to_owned(),
    });
    let devices = format!("{} devices moved", failover.devices);
    let facts = [Some(entry.cause.clone()), port, core, Some(devices)];
    facts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A line for each.
pub fn events(events: &[EventReport]) -> String {
    let line = |event: &EventReport| {
        let time = humantime::format_rfc3339_millis(event.time);
        format!("{time}  {}\n", event.text)
    };
    events.iter().map(line).collect()
}

pub(super) fn kind(kind: MoveKind) -> &'static str {
    match kind {
        MoveKind::Activate => "activate",
        MoveKind::Promote => "promote",
        MoveKind::Reconnect => "reconnect",
        MoveKind::Failover => "failover",
        MoveKind::Restart => "restart",
        MoveKind::Escape => "escape",
        MoveKind::Start => "start",
        MoveKind::Exit => "exit",
        MoveKind::Quarantine => "quarantine",
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Failed(reason) => format!("failed: {reason}"),
    }
}

/// One line.
pub fn reloaded(report: &ReloadReport) -> String {
    let names = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    format!(
        "ports added: {}; removed: {}\n",
        names(&report.added),
        names(&report.removed)
    )
}
