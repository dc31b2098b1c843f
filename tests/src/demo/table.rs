//! The result as people read it in a terminal.

mod grid;

use super::measured::FLOWS;
use super::outcome::{MoveOutcome, Outcome, Verdict};
use crate::statistics::Summary;
use grid::Grid;

/// Two samples of one kind are farther apart in one of twenty cases.
const DISTINCT: f64 = 0.05;

/// The whole text, with a line feed at its end.
pub(super) fn of(outcome: &Outcome) -> String {
    format!(
        "{}\n\n{}\n{}",
        introduction(outcome),
        grid(outcome),
        conclusion(outcome)
    )
}

fn introduction(outcome: &Outcome) -> String {
    format!(
        "Three flows of {} frames of {} bytes a second. Below, in µs: the blackout of each flow, which is its\n\
         longest gap between two arrivals (a frame is sent every {} µs); stall, how long the instrument itself\n\
         did not run meanwhile; freeze, from the old lanes' last burst to the new lanes' first.",
        number(f64::from(outcome.rate)),
        outcome.frame_size,
        number(1e6 / f64::from(outcome.rate)),
    )
}

fn grid(outcome: &Outcome) -> Grid {
    let titles = FLOWS.iter().map(|flow| flow.title);
    let mut header = vec![""];
    header.extend(titles.chain([
        "stall",
        "freeze",
        "lost",
        "doubled",
        "reordered",
        "reconnects",
    ]));
    let mut grid = Grid::new(&header);
    for each in &outcome.each_promote {
        grid.row(move_row(
            &format!("promote {}", each.promote),
            &each.outcome,
            each.freeze_us,
        ));
    }
    grid.rule();
    for (name, part) in PARTS {
        grid.row(promotes_row(outcome, name, part));
    }
    grid.rule();
    for (name, part) in PARTS {
        let noise = outcome
            .flows
            .iter()
            .map(|flow| number(part(&flow.noise_us)));
        grid.row(
            [format!("no promote, {name}")]
                .into_iter()
                .chain(noise)
                .collect(),
        );
    }
    grid.rule();
    grid.row(move_row("promote --reconnect", &outcome.reconnect, None));
    grid.row(move_row("plain restart", &outcome.restart, None));
    grid
}

type Part = fn(&Summary) -> f64;
const PARTS: [(&str, Part); 3] = [
    ("median", |summary| summary.median),
    ("p99", |summary| summary.p99),
    ("max", |summary| summary.max),
];

fn move_row(name: &str, moved: &MoveOutcome, freeze_us: Option<f64>) -> Vec<String> {
    let gaps = moved.flows.iter().map(|flow| number(flow.blackout_us.max));
    let freeze = freeze_us.map(number).unwrap_or_default();
    let counts = moved.counts();
    let counts = [
        counts.lost,
        counts.doubled,
        counts.reordered,
        moved.reconnects,
    ]
    .map(|count| number(count as f64));
    [name.to_owned()]
        .into_iter()
        .chain(gaps)
        .chain([number(moved.stall_us), freeze])
        .chain(counts)
        .collect()
}

fn promotes_row(outcome: &Outcome, name: &str, part: Part) -> Vec<String> {
    let gaps = outcome
        .flows
        .iter()
        .map(|flow| number(part(&flow.blackout_us)));
    let freeze = outcome
        .freeze_us
        .map(|summary| number(part(&summary)))
        .unwrap_or_default();
    [format!("promotes, {name}")]
        .into_iter()
        .chain(gaps)
        .chain([number(part(&outcome.stall_us)), freeze])
        .collect()
}

fn conclusion(outcome: &Outcome) -> String {
    format!(
        "{}\n{}\n{}\n{}",
        verdict(outcome),
        comparison(outcome),
        restart(outcome),
        voids(outcome)
    )
}

fn verdict(outcome: &Outcome) -> String {
    let sent: u64 = outcome.flows.iter().map(|flow| flow.counts.sent).sum();
    let noticed = match outcome.verdict() {
        Verdict::Unnoticed => {
            "nobody noticed: none lost, doubled or reordered, and no guest disconnected"
        }
        Verdict::Noticed => "which was NOTICED: see the counts",
    };
    let (promotes, sent) = (outcome.promotes, number(sent as f64));
    format!("{promotes} promotes under {sent} frames, {noticed}.")
}

fn comparison(outcome: &Outcome) -> String {
    let p = outcome.promote_against_noise.p_value;
    let can = if p < DISTINCT { "can" } else { "cannot" };
    format!(
        "By their longest gap, windows with and without a promote {can} be told apart (p = {p:.2})."
    )
}

fn restart(outcome: &Outcome) -> String {
    let promotes = outcome.each_promote.iter();
    let promotes: Vec<f64> = promotes.map(|each| each.outcome.blackout_us()).collect();
    let typical = Summary::of(&promotes).map_or(0.0, |summary| summary.median);
    format!(
        "The plain restart lost {} frames, and its blackout was {} times that of a median promote.",
        number(outcome.restart.counts().lost as f64),
        number((outcome.restart.blackout_us() / typical.max(1.0)).round()),
    )
}

fn voids(outcome: &Outcome) -> String {
    match outcome.void_runs {
        0 => String::new(),
        runs => format!(
            "Void and repeated: {runs} ({}).\n",
            outcome.void_reasons.join("; ")
        ),
    }
}

/// A number with commas between thousands, and one decimal if it is small and not whole.
pub(super) fn number(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 99.95 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up;
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let cases = [
            (0.0, "0"),
            (7.0, "7"),
            (7.25, "7.2"),
            (99.96, "100"),
            (1234.5, "1,234"),
            (-1e6, "-1,000,000"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn every_move_has_its_row() {
        let text = of(&made_up::outcome());
        let row = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_else(|| panic!("{name}: {text}"));
            line[name.len()..]
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            row("promote 4"),
            ["1,200", "1,080", "960", "600", "300", "0", "0", "0", "0"]
        );
        assert_eq!(row("promotes, median"), ["80", "72", "64", "40", "20"]);
        assert_eq!(row("no promote, max"), ["40", "36", "32"]);
        assert_eq!(
            row("plain restart"),
            [
                "612,345", "551,110", "489,876", "306,172", "90,000", "0", "0", "3"
            ]
        );
        assert!(
            text.contains("5 promotes under 150,000 frames, nobody noticed"),
            "{text}"
        );
        assert!(
            text.contains("lost 90,000 frames, and its blackout was 7,654 times"),
            "{text}"
        );
        assert!(text.contains("can be told apart (p = 0.01)"), "{text}");
        assert!(
            text.contains("Void and repeated: 1 (the instrument stalled for 120 ms)"),
            "{text}"
        );
    }

    #[test]
    fn a_lost_frame_is_not_passed_over() {
        let mut recording = made_up::recording();
        recording.promotes[0].flows[0].counts.lost = 1;
        let text = of(&Outcome::new(&made_up::options(), &recording));
        assert!(
            text.contains("NOTICED") && !text.contains("nobody"),
            "{text}"
        );
    }
}
