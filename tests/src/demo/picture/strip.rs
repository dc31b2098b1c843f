//! Every blackout of the run on one logarithmic axis.

use super::super::measured::{FLOWS, FlowMeasured, Measured, Recording};
use super::axis::{Log, Span, time};
use super::canvas::{Anchor, Canvas, Stroke, Style};
use super::{COLOURS, LEFT};
use crate::statistics::Summary;

const FIRST_ROW: f64 = 62.0;
const ROW: f64 = 52.0;
/// From flow to flow within a row.
const TRACK: f64 = 11.0;
const DOT: f64 = 4.5;
/// From name to name.
const LEGEND: f64 = 115.0;

/// One row: a name, and what of its moves is shown.
struct Row<'a> {
    name: &'static str,
    moves: &'a [Measured],
    gap: fn(&FlowMeasured) -> f64,
}

/// Draws it between the pixels `x`, from `top` down.
pub(super) fn draw(canvas: &mut Canvas, x: Span, top: f64, recording: &Recording) {
    let rows = rows(recording);
    let axis = Log::of_decades(rows.iter().flat_map(Row::gaps), x);
    canvas.text(
        LEFT,
        top,
        Anchor::Start,
        Style::Heading,
        "Longest gap between two packets of a flow",
    );
    let explained =
        "one dot for each flow of each move; log scale: from line to line it is ten times longer";
    canvas.text(LEFT, top + 20.0, Anchor::Start, Style::Body, explained);
    legend(canvas, x.until, top);
    let bottom = top + FIRST_ROW + ROW * rows.len() as f64 - ROW / 2.0;
    time_axis(canvas, &axis, top + FIRST_ROW - ROW / 2.0, bottom);
    for (place, row) in rows.iter().enumerate() {
        row.draw(canvas, &axis, top + FIRST_ROW + ROW * place as f64);
    }
}

fn rows(recording: &Recording) -> [Row<'_>; 4] {
    let blackout = |flow: &FlowMeasured| flow.blackout_us;
    let one = std::slice::from_ref;
    [
        Row {
            name: "no promote",
            moves: &recording.promotes,
            gap: |flow| flow.noise_us,
        },
        Row {
            name: "promote",
            moves: &recording.promotes,
            gap: blackout,
        },
        Row {
            name: "promote --reconnect",
            moves: one(&recording.reconnect),
            gap: blackout,
        },
        Row {
            name: "plain restart",
            moves: one(&recording.restart),
            gap: blackout,
        },
    ]
}

fn legend(canvas: &mut Canvas, right: f64, y: f64) {
    for (place, flow) in FLOWS.iter().enumerate() {
        let x = right - 90.0 + LEGEND * place as f64;
        canvas.dot(x, y - 5.0, DOT, COLOURS[place]);
        canvas.text(x + 10.0, y, Anchor::Start, Style::Label, flow.title);
    }
}

fn time_axis(canvas: &mut Canvas, axis: &Log, top: f64, bottom: f64) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        canvas.line((x, top), (x, bottom), Stroke::Grid);
        canvas.text(x, bottom + 18.0, Anchor::Middle, Style::Tick, &time(tick));
    }
    let Span { from, until } = axis.pixels;
    canvas.line((from, bottom), (until, bottom), Stroke::Axis);
    canvas.text(
        (from + until) / 2.0,
        bottom + 38.0,
        Anchor::Middle,
        Style::Tick,
        "longest gap",
    );
}

impl Row<'_> {
    fn gaps(&self) -> impl Iterator<Item = f64> {
        self.moves
            .iter()
            .flat_map(|measured| &measured.flows)
            .map(self.gap)
    }

    fn draw(&self, canvas: &mut Canvas, axis: &Log, y: f64) {
        canvas.text(
            axis.pixels.from - 14.0,
            y + 5.0,
            Anchor::End,
            Style::Strong,
            self.name,
        );
        for measured in self.moves {
            for (place, flow) in measured.flows.iter().enumerate() {
                let track = y + TRACK * (place as f64 - 1.0);
                canvas.dot(axis.at((self.gap)(flow)), track, DOT, COLOURS[place]);
            }
        }
        canvas.text(
            axis.pixels.until + 20.0,
            y + 5.0,
            Anchor::Start,
            Style::Label,
            &self.summary(),
        );
    }

    fn summary(&self) -> String {
        let gaps: Vec<f64> = self.gaps().collect();
        match Summary::of(&gaps) {
            Some(summary) if self.moves.len() > 1 => {
                format!(
                    "median {}, longest {}",
                    time(summary.median),
                    time(summary.max)
                )
            }
            Some(summary) => format!("longest {}", time(summary.max)),
            None => String::new(),
        }
    }
}
