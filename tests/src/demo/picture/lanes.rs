//! Packets over time around one move, one lane for each flow.

use super::super::measured::{FLOWS, Trace, TracedFlow};
use super::COLOURS;
use super::axis::{Linear, Log, Span, time};
use super::canvas::{Anchor, Canvas, Stroke, Style};

const LANE: f64 = 84.0;
const BETWEEN: f64 = 26.0;
/// Below the panel's title and the names of its moments.
const FIRST_LANE: f64 = 58.0;
/// What a lane's name and its number need above the packets.
const HEADROOM: f64 = 3.0;
/// Packets in a step that are drawn as none: a single one must be seen.
const FLOOR: f64 = 0.25;
/// Height of a line of small text.
const LINE: f64 = 12.0;
const GAP_COLOUR: &str = "#1b1f24";

/// Draws a panel between the pixels `x`, from `top` down.
pub(super) fn draw(canvas: &mut Canvas, x: Span, top: f64, title: &str, trace: &Trace) {
    canvas.text(x.from, top, Anchor::Start, Style::Heading, title);
    let steps = format!(
        "packets per second, log scale; a step is {}",
        time(trace.step_us)
    );
    canvas.text(x.from, top + 20.0, Anchor::Start, Style::Body, &steps);
    let panel = Panel::new(x, top + FIRST_LANE, trace);
    panel.moments(canvas);
    for (place, flow) in trace.flows.iter().enumerate() {
        panel.lane(canvas, place, flow);
    }
    panel.time_axis(canvas);
}

struct Panel<'a> {
    trace: &'a Trace,
    x: Linear,
    top: f64,
    /// Packets a second; its pixels are those of the first lane.
    rate: Log,
}

impl<'a> Panel<'a> {
    fn new(x: Span, top: f64, trace: &'a Trace) -> Self {
        let steps = trace
            .flows
            .iter()
            .map(|flow| flow.packets.len())
            .max()
            .unwrap_or(1);
        let until = trace.from_us + trace.step_us * steps as f64;
        let most = trace.flows.iter().flat_map(|flow| &flow.packets).max();
        let a_packet = 1e6 / trace.step_us;
        let most = a_packet * f64::from(*most.unwrap_or(&1)).max(1.0);
        Self {
            trace,
            x: Linear {
                values: Span::new(trace.from_us, until),
                pixels: x,
            },
            top,
            rate: Log {
                values: Span::new(a_packet * FLOOR, most * HEADROOM),
                pixels: Span::new(top + LANE, top),
            },
        }
    }

    fn lane(&self, canvas: &mut Canvas, place: usize, flow: &TracedFlow) {
        let down = place as f64 * (LANE + BETWEEN);
        let Span {
            from: left,
            until: right,
        } = self.x.pixels;
        let floor = self.top + LANE + down;
        self.rate_axis(canvas, down);
        canvas.area(&self.points(flow, down), floor, COLOURS[place]);
        canvas.line((left, floor), (right, floor), Stroke::Axis);
        canvas.coloured_text(
            (left + 6.0, self.top + down - 3.0),
            Anchor::Start,
            COLOURS[place],
            FLOWS[place].title,
        );
        self.gap(canvas, down, flow);
    }

    fn rate_axis(&self, canvas: &mut Canvas, down: f64) {
        let Span {
            from: left,
            until: right,
        } = self.x.pixels;
        let floor = self.top + LANE + down;
        for tick in self.rate.ticks() {
            let y = self.rate.at(tick) + down;
            canvas.line((left, y), (right, y), Stroke::Grid);
            if floor - y > LINE {
                canvas.text(left - 8.0, y + 4.0, Anchor::End, Style::Tick, &rate(tick));
            }
        }
        canvas.text(left - 8.0, floor + 4.0, Anchor::End, Style::Tick, "none");
    }

    /// The line through all steps, two points for each.
    fn points(&self, flow: &TracedFlow, down: f64) -> Vec<(f64, f64)> {
        let step = |(place, packets): (usize, &u32)| {
            let from = self.trace.from_us + self.trace.step_us * place as f64;
            let y = self.rate.at(f64::from(*packets) * 1e6 / self.trace.step_us) + down;
            [
                (self.x.at(from), y),
                (self.x.at(from + self.trace.step_us), y),
            ]
        };
        flow.packets.iter().enumerate().flat_map(step).collect()
    }

    /// The longest gap, a pixel and a half wide at least, and its length.
    fn gap(&self, canvas: &mut Canvas, down: f64, flow: &TracedFlow) {
        let (from, until) = flow.gap_us;
        let Span {
            from: left,
            until: right,
        } = self.x.pixels;
        let [begin, end] = [from, until].map(|time| self.x.at(time).clamp(left, right));
        let end = end.max(begin + 1.5);
        let (top, floor) = (self.top + down, self.top + LANE + down);
        canvas.box_of((begin, top), (end, floor), GAP_COLOUR, 0.12);
        canvas.box_of((begin, floor), (end, floor + 4.0), GAP_COLOUR, 1.0);
        let (at, anchor) = match begin > (left + right) / 2.0 {
            true => (begin - 6.0, Anchor::End),
            false => (end + 6.0, Anchor::Start),
        };
        let wide = end - begin > 150.0;
        let (at, anchor) = if wide {
            ((begin + end) / 2.0, Anchor::Middle)
        } else {
            (at, anchor)
        };
        let length = format!("longest gap {}", time(until - from));
        let y = if wide { floor - LANE / 2.0 } else { top - 3.0 };
        canvas.coloured_text((at, y), anchor, GAP_COLOUR, &length);
    }

    /// The request, and the end of the move.
    fn moments(&self, canvas: &mut Canvas) {
        let bottom = self.bottom();
        let moments = [
            (0.0, "asked", Anchor::End),
            (self.trace.done_us, "done", Anchor::Start),
        ];
        for (moment, name, anchor) in moments {
            let x = self.x.at(moment);
            canvas.line((x, self.top - 18.0), (x, bottom), Stroke::Moment);
            let beside = if anchor == Anchor::End { -4.0 } else { 4.0 };
            canvas.text(x + beside, self.top - 20.0, anchor, Style::Tick, name);
        }
    }

    fn time_axis(&self, canvas: &mut Canvas) {
        let ms = Linear {
            values: Span::new(self.x.values.from / 1e3, self.x.values.until / 1e3),
            pixels: self.x.pixels,
        };
        let bottom = self.bottom();
        for tick in ms.ticks() {
            let x = ms.at(tick);
            canvas.line((x, bottom), (x, bottom + 5.0), Stroke::Axis);
            canvas.text(
                x,
                bottom + 20.0,
                Anchor::Middle,
                Style::Tick,
                &format!("{tick}"),
            );
        }
        let Span { from, until } = self.x.pixels;
        let name = "time since the request, ms";
        canvas.text(
            (from + until) / 2.0,
            bottom + 38.0,
            Anchor::Middle,
            Style::Tick,
            name,
        );
        canvas.upright_text(from - 52.0, (self.top + bottom) / 2.0, "packets per second");
    }

    fn bottom(&self) -> f64 {
        let lanes = self.trace.flows.len() as f64;
        self.top + lanes * LANE + (lanes - 1.0) * BETWEEN
    }
}

/// A rate with a thousand or a million as a letter.
fn rate(packets: f64) -> String {
    match packets {
        packets if packets >= 1e6 => format!("{} M", packets / 1e6),
        packets if packets >= 1e3 => format!("{} k", packets / 1e3),
        packets => format!("{packets}"),
    }
}
