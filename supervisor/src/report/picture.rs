//! `blame --svg`: phases as bars over time.

use super::blame::{Timeline, begin_of, end_of, ms};
use crate::control::protocol::Phase;
use svg::Document;
use svg::node::element::{Line, Rectangle, Style, Text};

const WIDTH: f64 = 1100.0;
/// Where the bars lie; names are left of them.
const LEFT: f64 = 220.0;
const RIGHT: f64 = 980.0;
const TOP: f64 = 40.0;
const HEAD: f64 = 44.0;
const ROW: f64 = 24.0;
const GAP: f64 = 28.0;
/// What determines how long all took, and what lies beside it.
const CRITICAL: &str = "#D55E00";
const BESIDE: &str = "#56B4E9";
const STYLE: &str = "
text { font-family: 'Inter', 'Helvetica Neue', 'Arial', 'DejaVu Sans', sans-serif; font-size: 13px; fill: #1b1f24; }
.heading { font-size: 17px; font-weight: bold; }
.tick { font-size: 12px; fill: #4a525c; }
.grid { stroke: #e3e6ea; stroke-width: 1; }
";

/// The picture as the text of an SVG file.
pub fn picture(timelines: &[Timeline]) -> String {
    let heights = timelines.iter().map(height);
    let all = TOP + heights.sum::<f64>();
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH as u32, all as u32))
        .set("width", WIDTH)
        .set("height", all)
        .set("role", "img")
        .add(Style::new(STYLE));
    let sheet = Rectangle::new().set("width", WIDTH).set("height", all);
    document = document.add(sheet.set("fill", "#ffffff"));
    let mut top = TOP;
    for timeline in timelines {
        document = draw(document, timeline, top);
        top += height(timeline);
    }
    format!("{document}\n")
}

fn height(timeline: &Timeline) -> f64 {
    HEAD + ROW * timeline.phases.len() as f64 + GAP
}

fn draw(document: Document, timeline: &Timeline, top: f64) -> Document {
    let title = format!("{}: {}", timeline.what, ms(timeline.total_us));
    let mut document = document.add(text(20.0, top, "heading", "start", &title));
    let rows = top + HEAD;
    let floor = rows + ROW * timeline.phases.len() as f64;
    for (x, label) in ticks(timeline.total_us) {
        let line = Line::new().set("class", "grid").set("x1", x).set("x2", x);
        document = document.add(line.set("y1", rows - 6.0).set("y2", floor));
        document = document.add(text(x, rows - 10.0, "tick", "middle", &label));
    }
    let chain = timeline.critical_chain();
    let mut phases: Vec<&Phase> = timeline.phases.iter().collect();
    phases.sort_by_key(|phase| begin_of(phase));
    for (row, phase) in phases.into_iter().enumerate() {
        let y = rows + ROW * row as f64;
        let colour = if chain.contains(&phase) {
            CRITICAL
        } else {
            BESIDE
        };
        let [from, until] = [begin_of(phase), end_of(phase)].map(|us| x_of(us, timeline.total_us));
        let bar = Rectangle::new().set("x", from).set("y", y + 4.0);
        let bar = bar
            .set("width", (until - from).max(1.0))
            .set("height", ROW - 8.0);
        document = document
            .add(bar.set("fill", colour))
            .add(text(LEFT - 10.0, y + 17.0, "", "end", &phase.name))
            .add(text(until + 6.0, y + 17.0, "tick", "start", &ms(phase.us)));
    }
    document
}

fn x_of(us: u64, total: u64) -> f64 {
    let x = LEFT + (RIGHT - LEFT) * us as f64 / total.max(1) as f64;
    (x * 10.0).round() / 10.0
}

/// Places and labels: a round number of them, at most ten.
fn ticks(total: u64) -> impl Iterator<Item = (f64, String)> {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)));
    let step = steps
        .take(30)
        .find(|step| total / step < 10)
        .unwrap_or(total.max(1));
    (0..=total / step).map(move |tick| {
        let us = tick * step;
        (x_of(us, total), format!("{} ms", us as f64 / 1e3))
    })
}

fn text(x: f64, y: f64, class: &str, anchor: &str, content: &str) -> Text {
    let text = Text::new(content)
        .set("class", class)
        .set("text-anchor", anchor);
    text.set("x", x).set("y", y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn timeline(phases: Vec<Phase>) -> Timeline {
        Timeline {
            what: "start of a <b>".to_owned(),
            time: SystemTime::UNIX_EPOCH,
            total_us: phases.iter().map(end_of).max().unwrap_or(0),
            phases,
        }
    }

    #[test]
    fn each_phase_is_a_bar_and_names_are_no_markup() {
        let phase = |name: &str, at, us| Phase {
            name: name.to_owned(),
            us,
            at_us: Some(at),
        };
        let text = picture(&[timeline(vec![
            phase("exec", 0, 400),
            phase("eal", 400, 600),
        ])]);
        assert_eq!(text.matches(&format!("fill=\"{CRITICAL}\"")).count(), 2);
        assert!(
            text.contains("&lt;b&gt;") && !text.contains("<b>"),
            "{text}"
        );
        assert!(text.contains("0.600 ms"), "{text}");
    }

    #[test]
    fn nothing_is_a_picture_as_well() {
        assert!(picture(&[]).contains("<svg"));
        assert!(picture(&[timeline(Vec::new())]).contains("start of a"));
    }

    #[test]
    fn there_are_few_ticks_and_the_first_is_at_zero() {
        for total in [0, 1, 9, 10, 999, 123_456, 30_000_000, u64::MAX / 4] {
            let ticks: Vec<_> = ticks(total).take(50).collect();
            assert!(ticks.len() <= 10, "{total}: {}", ticks.len());
            assert_eq!(ticks[0].1, "0 ms");
        }
    }
}
