//! Line and scatter plots as self-contained SVG, readable on light and dark grounds.

use std::fmt::Write;

/// A named sequence of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// In drawing order.
    pub points: Vec<(f64, f64)>,
    /// Joined by a line.
    pub line: bool,
}

/// A plot with linear axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Below the horizontal axis.
    pub x_label: String,
    /// Beside the vertical axis.
    pub y_label: String,
    /// What is drawn.
    pub series: Vec<Series>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Room for labels: left, top, right, bottom.
const ROOM: (f64, f64, f64, f64) = (72.0, 40.0, 16.0, 56.0);
/// Colours that differ in lightness too.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",
];
/// About so many ticks an axis.
const TICKS: f64 = 6.0;

impl Plot {
    /// The text of the SVG file. Points that are no finite numbers are left out.
    pub fn to_svg(&self) -> String {
        let points = || self.series.iter().flat_map(|s| finite(&s.points));
        let x = Axis::around(points().map(|p| p.0), (ROOM.0, WIDTH - ROOM.2));
        let y = Axis::around(points().map(|p| p.1), (HEIGHT - ROOM.3, ROOM.1));
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n{STYLE}<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
            escaped(&self.title)
        );
        self.frame(&mut out, &x, &y);
        for (i, s) in self.series.iter().enumerate() {
            draw(&mut out, s, COLOURS[i % COLOURS.len()], &x, &y);
        }
        self.legend(&mut out);
        out.push_str("</svg>\n");
        out
    }

    // Writing to a string does not fail, here and below.
    fn frame(&self, out: &mut String, x: &Axis, y: &Axis) {
        let middle = (ROOM.0 + WIDTH - ROOM.2) / 2.0;
        let text = |out: &mut String, at: (f64, f64), more: &str, text: &str| {
            let _ = writeln!(
                out,
                "<text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\" {more}>{}</text>",
                at.0,
                at.1,
                escaped(text)
            );
        };
        let centred = "text-anchor=\"middle\"";
        text(
            out,
            (middle, 20.0),
            "text-anchor=\"middle\" font-size=\"14\"",
            &self.title,
        );
        text(out, (middle, HEIGHT - 14.0), centred, &self.x_label);
        let side = (ROOM.1 + HEIGHT - ROOM.3) / 2.0;
        let turned = format!("{centred} transform=\"rotate(-90 16 {side:.1})\"");
        text(out, (16.0, side), &turned, &self.y_label);
        for t in x.ticks() {
            let at = x.place(t);
            line(out, (at, ROOM.1), (at, HEIGHT - ROOM.3));
            text(out, (at, HEIGHT - ROOM.3 + 18.0), centred, &number(t));
        }
        for t in y.ticks() {
            let at = y.place(t);
            line(out, (ROOM.0, at), (WIDTH - ROOM.2, at));
            text(
                out,
                (ROOM.0 - 6.0, at + 4.0),
                "text-anchor=\"end\"",
                &number(t),
            );
        }
    }

    fn legend(&self, out: &mut String) {
        for (i, s) in self
            .series
            .iter()
            .enumerate()
            .filter(|_| self.series.len() > 1)
        {
            let y = HEIGHT - ROOM.3 - 12.0 - 16.0 * (self.series.len() - 1 - i) as f64;
            let x = WIDTH - ROOM.2 - 190.0;
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{}\"/><text class=\"ink\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                y - 4.0,
                COLOURS[i % COLOURS.len()],
                x + 10.0,
                escaped(&s.name)
            );
        }
    }
}

const STYLE: &str = "<style>.ground{fill:#fff}.ink{fill:#222}.grid{stroke:#ccc}@media(prefers-color-scheme:dark){.ground{fill:#181818}.ink{fill:#ddd}.grid{stroke:#444}}</style>\n";

fn line(out: &mut String, a: (f64, f64), b: (f64, f64)) {
    let _ = writeln!(
        out,
        "<line class=\"grid\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        a.0, a.1, b.0, b.1
    );
}

fn draw(out: &mut String, s: &Series, colour: &str, x: &Axis, y: &Axis) {
    let places: Vec<(f64, f64)> = finite(&s.points)
        .map(|p| (x.place(p.0), y.place(p.1)))
        .collect();
    if s.line {
        let path: Vec<String> = places
            .iter()
            .map(|p| format!("{:.1},{:.1}", p.0, p.1))
            .collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            path.join(" ")
        );
    }
    for p in places {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
            p.0, p.1
        );
    }
}

fn finite(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let all = points.iter().copied();
    all.filter(|p| p.0.is_finite() && p.1.is_finite())
}

/// A linear axis with round ticks.
pub(crate) struct Axis {
    lo: f64,
    hi: f64,
    step: f64,
    ends: (f64, f64),
}

impl Axis {
    pub(crate) fn around(values: impl Iterator<Item = f64>, ends: (f64, f64)) -> Self {
        let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        });
        let (lo, hi) = if lo <= hi { (lo, hi) } else { (0.0, 1.0) };
        let span = if hi > lo { hi - lo } else { lo.abs().max(1.0) };
        let power = 10f64.powf((span / TICKS).log10().floor());
        let nice = [1.0, 2.0, 5.0, 10.0];
        let step = nice
            .into_iter()
            .map(|n| n * power)
            .find(|s| span / s <= TICKS);
        let step = step.unwrap_or(10.0 * power);
        Self {
            lo: (lo / step).floor() * step,
            hi: ((hi / step).ceil() * step).max((lo / step).floor() * step + step),
            step,
            ends,
        }
    }

    pub(crate) fn place(&self, v: f64) -> f64 {
        let share = (v - self.lo) / (self.hi - self.lo);
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    pub(crate) fn ticks(&self) -> impl Iterator<Item = f64> {
        let n = ((self.hi - self.lo) / self.step).round() as usize;
        (0..=n.min(50)).map(|i| self.lo + i as f64 * self.step)
    }
}

/// A tick's text, without digits that only rounding made.
fn number(v: f64) -> String {
    let text = format!("{v:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Axis, Plot, Series, number};

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        for (lo, hi) in [
            (0.0, 1.0),
            (2.0, 8.0),
            (0.871, 0.8715),
            (-3e4, 7e5),
            (5.0, 5.0),
        ] {
            let axis = Axis::around([lo, hi].into_iter(), (0.0, 100.0));
            let ticks: Vec<f64> = axis.ticks().collect();
            assert!((2..=8).contains(&ticks.len()), "{lo}..{hi}: {ticks:?}");
            assert!(ticks[0] <= lo && *ticks.last().expect("ticks") >= hi - 1e-12 * hi.abs());
            assert!((0.0..=100.0).contains(&axis.place(lo)));
        }
        assert_eq!(number(0.30000000000000004), "0.3");
        assert_eq!(number(-0.0), "0");
    }

    #[test]
    fn every_finite_point_is_drawn_and_texts_are_escaped() {
        let plot = Plot {
            title: "a < b & c".to_owned(),
            x_label: "bits".to_owned(),
            y_label: "accuracy".to_owned(),
            series: vec![
                Series {
                    name: "one".to_owned(),
                    points: vec![(2.0, 0.5), (3.0, f64::NAN), (4.0, 0.9)],
                    line: true,
                },
                Series {
                    name: "two".to_owned(),
                    points: vec![],
                    line: false,
                },
            ],
        };
        let svg = plot.to_svg();
        // Two points and the legend's two.
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(
            svg.contains("a &lt; b &amp; c") && !svg.contains("NaN"),
            "{svg}"
        );
    }
}
