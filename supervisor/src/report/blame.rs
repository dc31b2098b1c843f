//! `blame`: what of the last starts and of the last move took how long.

use crate::control::protocol::{HistoryEntry, MoveKind, Outcome, Phase};
use serde::Serialize;
use std::time::SystemTime;
use vhost_transfer::InstanceId;

/// Phases that follow each other, with what lies beside and inside of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// Such as `start of a`.
    pub what: String,
    /// When it ended.
    #[serde(with = "crate::control::names::time")]
    pub time: SystemTime,
    /// From the first phase to the end of the last, µs.
    pub total_us: u64,
    /// Each with its begin.
    pub phases: Vec<Phase>,
}

impl Timeline {
    fn of(entry: &HistoryEntry) -> Self {
        let mut end = 0;
        let timed = entry.phases.iter().map(|phase| {
            let at = phase.at_us.unwrap_or(end);
            end = at.saturating_add(phase.us);
            Phase {
                at_us: Some(at),
                ..phase.clone()
            }
        });
        let phases: Vec<Phase> = timed.collect();
        Self {
            what: what(entry),
            time: entry.time,
            total_us: phases.iter().map(end_of).max().unwrap_or(0),
            phases,
        }
    }

    /// The phases that determine how long all of it took, the first one first: each ends before the
    /// next one begins, and of what lies inside of another only the whole counts.
    pub fn critical_chain(&self) -> Vec<&Phase> {
        let mut chain: Vec<&Phase> = Vec::new();
        let mut before = u64::MAX;
        loop {
            let earlier = self.phases.iter().filter(|phase| end_of(phase) <= before);
            let longest_of_latest = |phase: &&Phase| (end_of(phase), phase.us);
            let Some(phase) = earlier
                .filter(|phase| !chain.contains(phase))
                .max_by_key(longest_of_latest)
            else {
                break;
            };
            before = begin_of(phase);
            chain.push(phase);
        }
        chain.reverse();
        chain
    }
}

pub(super) fn begin_of(phase: &Phase) -> u64 {
    phase.at_us.unwrap_or(0)
}

pub(super) fn end_of(phase: &Phase) -> u64 {
    begin_of(phase).saturating_add(phase.us)
}

fn what(entry: &HistoryEntry) -> String {
    let name = |id: Option<InstanceId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let (from, to) = (name(entry.from), name(entry.to));
    let outcome = match entry.outcome {
        Outcome::Done => "",
        Outcome::Failed(_) => ", which failed",
    };
    match entry.kind {
        MoveKind::Start => format!("start of {to}{outcome}"),
        MoveKind::Activate => format!("activation of {to}{outcome}"),
        MoveKind::Exit => format!("end of {to}"),
        MoveKind::Promote
        | MoveKind::Reconnect
        | MoveKind::Failover
        | MoveKind::Escape
        | MoveKind::Restart
        | MoveKind::Quarantine => {
            format!(
                "{} from {from} to {to}{outcome}",
                super::moves::kind(entry.kind)
            )
        }
    }
}

/// The last start of each instance, the last move, and the last end with a hook.
pub fn timelines(history: &[HistoryEntry]) -> Vec<Timeline> {
    let newest = |wanted: &dyn Fn(&HistoryEntry) -> bool| {
        let mut entries = history.iter().rev();
        entries.find(|entry| !entry.phases.is_empty() && wanted(entry))
    };
    let start =
        |id| move |entry: &HistoryEntry| entry.kind == MoveKind::Start && entry.to == Some(id);
    let starts = InstanceId::BOTH.map(|id| newest(&start(id)));
    let last_move = newest(&|entry| entry.kind.begins_term());
    let last_end = newest(&|entry| entry.kind == MoveKind::Exit);
    let found = starts.into_iter().chain([last_move, last_end]).flatten();
    found.map(Timeline::of).collect()
}

/// For each: its phases, the longest first, and those that determine how long it took.
pub fn blame(timelines: &[Timeline]) -> String {
    timelines.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(timeline: &Timeline) -> String {
    let time = humantime::format_rfc3339_millis(timeline.time);
    let head = format!("{}, {time}: {}\n", timeline.what, ms(timeline.total_us));
    let mut phases: Vec<&Phase> = timeline.phases.iter().collect();
    phases.sort_by_key(|phase| std::cmp::Reverse(phase.us));
    let blamed = phases
        .iter()
        .map(|phase| format!("{:>12} {}\n", ms(phase.us), phase.name));
    let chain = timeline.critical_chain();
    let chained = chain.iter().map(|phase| {
        let (at, took) = (ms(begin_of(phase)), ms(phase.us));
        format!(
            "{:>12} {:>12} {}\n",
            format!("@{at}"),
            format!("+{took}"),
            phase.name
        )
    });
    let title = "one after the other:\n".to_owned();
    [head]
        .into_iter()
        .chain(blamed)
        .chain([title])
        .chain(chained)
        .collect()
}

pub(super) fn ms(us: u64) -> String {
    format!("{:.3} ms", us as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &str, at: u64, us: u64) -> Phase {
        Phase {
            name: name.to_owned(),
            us,
            at_us: Some(at),
        }
    }

    fn timeline() -> Timeline {
        Timeline {
            what: "start of a".to_owned(),
            time: SystemTime::UNIX_EPOCH,
            total_us: 240,
            phases: vec![
                phase("exec", 0, 20),
                phase("eal", 20, 160),
                phase("files", 20, 9),
                phase("inside", 190, 10),
                phase("uplink", 180, 60),
            ],
        }
    }

    #[test]
    fn what_lies_beside_or_inside_is_not_in_the_chain() {
        let timeline = timeline();
        let names = timeline
            .critical_chain()
            .into_iter()
            .map(|phase| &phase.name[..]);
        assert_eq!(names.collect::<Vec<_>>(), ["exec", "eal", "uplink"]);
    }

    #[test]
    fn the_longest_comes_first_and_then_the_chain() {
        let text = blame(&[timeline()]);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "start of a, 1970-01-01T00:00:00.000Z: 0.240 ms");
        assert_eq!(lines[1], "0.160 ms eal");
        assert_eq!(lines[6], "one after the other:");
        let chain: Vec<_> = lines[8].split_whitespace().collect();
        assert_eq!(chain, ["@0.020", "ms", "+0.160", "ms", "eal"]);
        assert_eq!(lines.len(), 10);
    }

    #[test]
    fn phases_of_length_zero_end_the_search() {
        let phases = vec![phase("a", 0, 0), phase("b", 0, 0)];
        let timeline = Timeline {
            phases,
            ..timeline()
        };
        assert_eq!(timeline.critical_chain().len(), 2);
    }
}
