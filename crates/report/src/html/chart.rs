//! Charts as places of marks, lines and ticks; the template draws them as SVG.

use super::words::real;
use crate::plot::Axis;
use serde::Serialize;

/// Units of a chart's width; they are pixels where the page is wide.
const WIDTH: f64 = 520.0;
/// Room for labels: left, top, right, bottom.
const ROOM: (f64, f64, f64, f64) = (58.0, 10.0, 12.0, 40.0);

/// A chart with linear axes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    pub title: String,
    /// What it shows, in a sentence.
    pub text: String,
    pub x_label: String,
    pub y_label: String,
    pub width: f64,
    pub height: f64,
    /// Left, top, right and bottom of the plane.
    pub frame: [f64; 4],
    pub x_ticks: Vec<Tick>,
    pub y_ticks: Vec<Tick>,
    /// Points of a line, in the form that SVG has them.
    pub lines: Vec<Line>,
    pub marks: Vec<Mark>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Tick {
    pub at: String,
    pub label: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub class: &'static str,
    pub points: String,
}

/// A mark; its class decides colour and shape.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Mark {
    pub class: &'static str,
    pub x: String,
    pub y: String,
    pub text: String,
}

/// What a chart shows.
pub(super) struct Shown<'a> {
    pub title: &'a str,
    pub text: String,
    pub labels: (&'a str, &'a str),
    pub height: f64,
    /// Class, place and text of each mark.
    pub marks: Vec<(&'static str, (f64, f64), String)>,
    /// Class and places of each line.
    pub lines: Vec<(&'static str, Vec<(f64, f64)>)>,
    /// Only whole numbers are ticks, of the horizontal and of the vertical axis.
    pub whole: (bool, bool),
}

/// Places everything.
pub(super) fn chart(shown: Shown<'_>) -> Chart {
    let (left, right) = (ROOM.0, WIDTH - ROOM.2);
    let (top, bottom) = (ROOM.1, shown.height - ROOM.3);
    let places = || {
        let marks = shown.marks.iter().map(|m| m.1);
        marks.chain(shown.lines.iter().flat_map(|l| l.1.iter().copied()))
    };
    let x = Axis::around(places().map(|p| p.0), (left + 8.0, right - 8.0));
    let y = Axis::around(places().map(|p| p.1), (bottom - 6.0, top + 6.0));
    let at = |v: f64| format!("{v:.1}");
    let tick = |axis: &Axis, v: f64| Tick {
        at: at(axis.place(v)),
        label: real(v, 6),
    };
    let ticks = |axis: &Axis, whole: bool| {
        let shown = axis.ticks().filter(|v| !whole || v.fract() == 0.0);
        shown.map(|v| tick(axis, v)).collect()
    };
    let x_ticks = ticks(&x, shown.whole.0);
    let y_ticks = ticks(&y, shown.whole.1);
    let line = |(class, points): &(&'static str, Vec<(f64, f64)>)| {
        let points: Vec<String> = points
            .iter()
            .map(|p| format!("{:.1},{:.1}", x.place(p.0), y.place(p.1)))
            .collect();
        Line {
            class,
            points: points.join(" "),
        }
    };
    let mark = |(class, p, text): &(&'static str, (f64, f64), String)| Mark {
        class,
        x: at(x.place(p.0)),
        y: at(y.place(p.1)),
        text: text.clone(),
    };
    Chart {
        title: shown.title.to_owned(),
        text: shown.text.clone(),
        x_label: shown.labels.0.to_owned(),
        y_label: shown.labels.1.to_owned(),
        width: WIDTH,
        height: shown.height,
        frame: [left, top, right, bottom],
        lines: shown.lines.iter().map(line).collect(),
        marks: shown.marks.iter().map(mark).collect(),
        x_ticks,
        y_ticks,
    }
}
