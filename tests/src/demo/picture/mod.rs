//! The picture: packets over time around a promote and around the restart, and every blackout of the run.

mod axis;
mod canvas;
mod lanes;
mod strip;

use super::measured::{Measured, Recording};
use super::outcome::Outcome;
use super::table::number;
use axis::Span;
use canvas::{Anchor, Canvas, Style};

const WIDTH: f64 = 1240.0;
const HEIGHT: f64 = 930.0;
const LEFT: f64 = 60.0;
/// Where the two panels of packets over time lie, and the strip of blackouts below.
const PROMOTE: Span = Span {
    from: 130.0,
    until: 600.0,
};
const RESTART: Span = Span {
    from: 730.0,
    until: 1200.0,
};
const STRIP: Span = Span {
    from: 250.0,
    until: 960.0,
};
const PANELS_TOP: f64 = 140.0;
const STRIP_TOP: f64 = 610.0;
/// Of each flow, from Okabe and Ito's palette, which colour-blind people can tell apart too.
const COLOURS: [&str; 3] = ["#0072B2", "#D55E00", "#009E73"];

/// The picture as the text of an SVG file.
pub(super) fn draw(outcome: &Outcome, recording: &Recording) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    head(&mut canvas, outcome);
    let median = median_promote(&recording.promotes);
    let title = format!("One promote, the median of {}", outcome.promotes);
    lanes::draw(&mut canvas, PROMOTE, PANELS_TOP, &title, &median.trace);
    lanes::draw(
        &mut canvas,
        RESTART,
        PANELS_TOP,
        "One plain restart",
        &recording.restart.trace,
    );
    strip::draw(&mut canvas, STRIP, STRIP_TOP, recording);
    canvas.into_text()
}

fn head(canvas: &mut Canvas, outcome: &Outcome) {
    canvas.text(
        LEFT,
        48.0,
        Anchor::Start,
        Style::Title,
        "A vswitch is replaced under traffic",
    );
    let traffic = format!(
        "Three steady flows of {} frames of {} bytes a second.",
        number(f64::from(outcome.rate)),
        outcome.frame_size
    );
    canvas.text(LEFT, 74.0, Anchor::Start, Style::Body, &traffic);
    canvas.text(LEFT, 96.0, Anchor::Start, Style::Body, &tolls(outcome));
}

fn tolls(outcome: &Outcome) -> String {
    let sum = |of: fn(&super::Counts) -> u64| {
        let all: u64 = outcome.flows.iter().map(|flow| of(&flow.counts)).sum();
        number(all as f64)
    };
    format!(
        "{} promotes: {} frames sent, {} lost, {} doubled, {} reordered, {} guests disconnected. \
         One plain restart: {} lost, {} guests disconnected.",
        outcome.promotes,
        sum(|counts| counts.sent),
        sum(|counts| counts.lost),
        sum(|counts| counts.doubled),
        sum(|counts| counts.reordered),
        number(
            outcome
                .each_promote
                .iter()
                .map(|each| each.outcome.reconnects)
                .sum::<u64>() as f64
        ),
        number(outcome.restart.counts().lost as f64),
        outcome.restart.reconnects,
    )
}

fn median_promote(promotes: &[Measured]) -> &Measured {
    let mut by_blackout: Vec<&Measured> = promotes.iter().collect();
    by_blackout.sort_by(|one, other| one.blackout_us().total_cmp(&other.blackout_us()));
    by_blackout[(by_blackout.len() - 1) / 2]
}

#[cfg(test)]
mod tests;
