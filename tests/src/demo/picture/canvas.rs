//! What can be drawn, in a few styles.

use svg::Document;
use svg::node::element::{Circle, Line, Path, Rectangle, Style as StyleSheet, Text};

const STYLE: &str = "
text { font-family: 'Inter', 'Helvetica Neue', 'Arial', 'DejaVu Sans', sans-serif; fill: #1b1f24; }
.title { font-size: 26px; font-weight: bold; }
.heading { font-size: 17px; font-weight: bold; }
.body { font-size: 14px; fill: #4a525c; }
.label { font-size: 13px; }
.strong { font-size: 13px; font-weight: bold; }
.tick { font-size: 12px; fill: #4a525c; }
.grid { stroke: #e3e6ea; stroke-width: 1; }
.axis { stroke: #8a929c; stroke-width: 1; }
.moment { stroke: #4a525c; stroke-width: 1; stroke-dasharray: 3 3; }
";

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Title,
    Heading,
    Body,
    Label,
    Strong,
    Tick,
}

/// Which end of a text is where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Grid,
    Axis,
    Moment,
}

/// A sheet to draw on; a pixel is the unit, and the origin is at the top left.
pub(super) struct Canvas(Document);

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let document = Document::new()
            .set("viewBox", (0, 0, width as u32, height as u32))
            .set("width", width)
            .set("height", height)
            .set("role", "img")
            .add(StyleSheet::new(STYLE));
        let mut canvas = Self(document);
        canvas.add(
            Rectangle::new()
                .set("width", width)
                .set("height", height)
                .set("fill", "#ffffff"),
        );
        canvas
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, style: Style, text: &str) {
        self.add(new_text(x, y, anchor, style, text));
    }

    /// Text in the colour of what it names, on a white edge that keeps it legible over lines.
    pub(super) fn coloured_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        colour: &str,
        text: &str,
    ) {
        let style =
            format!("fill: {colour}; paint-order: stroke; stroke: #ffffff; stroke-width: 4px");
        self.add(new_text(at.0, at.1, anchor, Style::Strong, text).set("style", style));
    }

    /// Text that reads from bottom to top.
    pub(super) fn upright_text(&mut self, x: f64, y: f64, text: &str) {
        let turn = format!("rotate(-90 {} {})", round(x), round(y));
        self.add(new_text(x, y, Anchor::Middle, Style::Tick, text).set("transform", turn));
    }

    pub(super) fn line(&mut self, from: (f64, f64), until: (f64, f64), stroke: Stroke) {
        let class = match stroke {
            Stroke::Grid => "grid",
            Stroke::Axis => "axis",
            Stroke::Moment => "moment",
        };
        let line = Line::new().set("class", class);
        let line = line.set("x1", round(from.0)).set("y1", round(from.1));
        self.add(line.set("x2", round(until.0)).set("y2", round(until.1)));
    }

    pub(super) fn box_of(
        &mut self,
        from: (f64, f64),
        until: (f64, f64),
        colour: &str,
        opacity: f64,
    ) {
        let [width, height] = [until.0 - from.0, until.1 - from.1].map(round);
        let rectangle = Rectangle::new()
            .set("x", round(from.0))
            .set("y", round(from.1));
        let rectangle = rectangle.set("width", width).set("height", height);
        self.add(rectangle.set("fill", colour).set("opacity", opacity));
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64, colour: &str) {
        let circle = Circle::new()
            .set("cx", round(x))
            .set("cy", round(y))
            .set("r", radius);
        self.add(circle.set("fill", colour).set("fill-opacity", 0.6));
    }

    /// The area below the line through `points`, down to `floor`.
    pub(super) fn area(&mut self, points: &[(f64, f64)], floor: f64, colour: &str) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        let line: String = points
            .iter()
            .map(|(x, y)| format!("L{} {} ", round(*x), round(*y)))
            .collect();
        let [from, until, floor] = [first.0, last.0, floor].map(round);
        let area = format!("M{from} {floor} {line}L{until} {floor} Z");
        let path = Path::new()
            .set("d", area)
            .set("fill", colour)
            .set("fill-opacity", 0.3);
        self.add(
            path.set("stroke", colour)
                .set("stroke-width", 1.2)
                .set("stroke-linejoin", "round"),
        );
    }

    pub(super) fn into_text(self) -> String {
        format!("{}\n", self.0)
    }

    fn add(&mut self, node: impl svg::Node) {
        svg::Node::append(&mut self.0, node);
    }
}

fn new_text(x: f64, y: f64, anchor: Anchor, style: Style, text: &str) -> Text {
    let class = match style {
        Style::Title => "title",
        Style::Heading => "heading",
        Style::Body => "body",
        Style::Label => "label",
        Style::Strong => "strong",
        Style::Tick => "tick",
    };
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let text = Text::new(text)
        .set("class", class)
        .set("text-anchor", anchor);
    text.set("x", round(x)).set("y", round(y))
}

/// A tenth of a pixel is fine enough.
fn round(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}
