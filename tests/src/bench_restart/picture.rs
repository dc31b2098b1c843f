//! Three bars for each device.

use super::case::Name;
use super::report::{Case, Report, circumstances};
use svg::Document;
use svg::node::element::{Line, Rectangle, Style, Text};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 760.0;
const TOP: f64 = 84.0;
/// Of a device: its line, and its bars below.
const HEAD: f64 = 42.0;
const FOOT: f64 = 46.0;
const ROW: f64 = 62.0;
const BAR: f64 = 34.0;
const STYLE: &str = "
text { font-family: 'Inter', 'Helvetica Neue', 'Arial', 'DejaVu Sans', sans-serif; font-size: 14px; fill: #1b1f24; }
.title { font-size: 24px; font-weight: bold; }
.small { font-size: 12px; fill: #4a525c; }
.strong { font-weight: bold; }
.whisker { stroke: #1b1f24; stroke-width: 1.5; }
";

/// The picture as the text of an SVG file. Each device has a scale of its own.
pub(super) fn draw(report: &Report) -> String {
    let rows = report.cases.len() as f64;
    let height = TOP + HEAD * report.by_device().count() as f64 + ROW * rows + FOOT;
    let sheet = Rectangle::new().set("width", WIDTH).set("height", height);
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH as u32, height as u32))
        .set("width", WIDTH)
        .set("height", height)
        .set("role", "img")
        .add(Style::new(STYLE))
        .add(sheet.set("fill", "#ffffff"))
        .add(text(
            30.0,
            44.0,
            "title",
            "start",
            "Time without packets, one device",
        ));
    let mut top = TOP;
    for cases in report.by_device() {
        document = of_device(document, cases, top);
        top += HEAD + ROW * cases.len() as f64;
    }
    let note = "Bars: median. Whiskers: longest. Each device has a scale of its own.";
    document = document.add(text(30.0, height - 24.0, "small", "start", note));
    format!("{document}\n")
}

fn of_device(mut document: Document, cases: &[Case], top: f64) -> Document {
    let longest = cases.iter().map(|case| case.outage_ms.max);
    let longest = longest.fold(1.0, f64::max);
    for (row, case) in cases.iter().enumerate() {
        if row == 0 {
            document = document.add(text(30.0, top, "", "start", &circumstances(case)));
        }
        document = bar(document, case, top + HEAD / 2.0 + ROW * row as f64, longest);
    }
    document
}

fn bar(document: Document, case: &Case, top: f64, longest: f64) -> Document {
    let x = |ms: f64| round(LEFT + (RIGHT - LEFT) * ms / longest);
    let (median, max) = (x(case.outage_ms.median), x(case.outage_ms.max));
    let (title, detail, colour) = words(case.name);
    let rectangle = Rectangle::new().set("x", LEFT).set("y", top);
    let rectangle = rectangle
        .set("width", round(median - LEFT))
        .set("height", BAR);
    let middle = top + BAR / 2.0;
    let whisker = Line::new()
        .set("class", "whisker")
        .set("x1", median)
        .set("x2", max);
    let figure = format!("{:.1} ms ({} runs)", case.outage_ms.median, case.runs);
    document
        .add(rectangle.set("fill", colour))
        .add(whisker.set("y1", middle).set("y2", middle))
        .add(text(LEFT - 12.0, middle - 2.0, "strong", "end", title))
        .add(text(LEFT - 12.0, middle + 14.0, "small", "end", detail))
        .add(text(max + 8.0, middle + 5.0, "", "start", &figure))
}

/// Title, detail, and a colour of Okabe and Ito's palette.
fn words(name: Name) -> (&'static str, &'static str, &'static str) {
    match name {
        Name::Cold => ("cold", "killed, and started again", "#D55E00"),
        Name::Fast => ("fast", "restarted on memory files", "#0072B2"),
        Name::Warm => ("warm", "standby opens the device", "#009E73"),
    }
}

fn text(x: f64, y: f64, class: &str, anchor: &str, content: &str) -> Text {
    let text = Text::new(content)
        .set("class", class)
        .set("text-anchor", anchor);
    text.set("x", round(x)).set("y", round(y))
}

/// A tenth of a pixel is fine enough.
fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}
