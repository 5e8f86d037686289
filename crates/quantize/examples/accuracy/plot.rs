//! Accuracy against bits as SVG: one panel a network, colours that are readable on light and dark
//! ground.

use crate::Panel;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 230.0;
const MARGIN: (f64, f64) = (44.0, 34.0);
/// Least accuracy that is drawn, per cent: lines leave the frame below it.
const FLOOR: f64 = 50.0;
const COLOURS: [&str; 9] = [
    "#8c8c8c", "#b08d57", "#4c8fd6", "#d65f5f", "#e08e2b", "#3fa66b", "#9a6fd0", "#d0609a",
    "#2aa5a5",
];
const GREY: &str = "#888888";

/// The plot of all panels.
pub(crate) fn svg(panels: &[Panel], bits: RangeInclusive<u8>) -> String {
    let names: Vec<&str> = panels
        .first()
        .map_or(Vec::new(), |p| p.series.iter().map(|s| s.method).collect());
    let rows = panels.len().div_ceil(2);
    let legend = 20.0 * names.len().div_ceil(2) as f64 + 34.0;
    let (w, h) = (2.0 * WIDTH, rows as f64 * HEIGHT + legend);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>Test accuracy against weight bits</title>\n\
         <clipPath id=\"frame\"><rect x=\"0\" y=\"-1\" width=\"{}\" height=\"{}\"/></clipPath>\n\
         <text x=\"{}\" y=\"{}\" fill=\"{GREY}\">Test accuracy in %, from {FLOOR} upwards, against weight bits; the dashed line is the network itself</text>\n",
        WIDTH,
        HEIGHT - 2.0 * MARGIN.1 + 2.0,
        MARGIN.0,
        h - 8.0
    );
    for (i, p) in panels.iter().enumerate() {
        let at = ((i % 2) as f64 * WIDTH, (i / 2) as f64 * HEIGHT);
        panel(&mut out, p, &bits, at);
    }
    for (i, name) in names.iter().enumerate() {
        let x = (i % 2) as f64 * WIDTH + MARGIN.0;
        let y = rows as f64 * HEIGHT + 20.0 * (i / 2) as f64 + 14.0;
        let colour = COLOURS[i % COLOURS.len()];
        let _ = writeln!(
            out,
            "<path d=\"M{x} {y}h24\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{GREY}\">{name}</text>",
            x + 30.0,
            y + 4.0
        );
    }
    out + "</svg>\n"
}

fn panel(out: &mut String, p: &Panel, bits: &RangeInclusive<u8>, at: (f64, f64)) {
    let (w, h) = (WIDTH - MARGIN.0 - 16.0, HEIGHT - 2.0 * MARGIN.1);
    let steps = f64::from(bits.end() - bits.start()).max(1.0);
    let x = |b: u8| at.0 + MARGIN.0 + w * f64::from(b - bits.start()) / steps;
    let y = |a: f64| at.1 + MARGIN.1 + h * (100.0 - a) / (100.0 - FLOOR);
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" fill=\"{GREY}\" font-size=\"13\">{}</text>",
        at.0 + MARGIN.0,
        at.1 + 20.0,
        p.network
    );
    let mut level = FLOOR;
    while level <= 100.0 {
        let (x0, at_y) = (x(*bits.start()), y(level));
        let _ = writeln!(
            out,
            "<path d=\"M{x0} {at_y:.1}h{w}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/>\
             <text x=\"{}\" y=\"{:.1}\" fill=\"{GREY}\" text-anchor=\"end\">{level}</text>",
            x0 - 6.0,
            at_y + 4.0
        );
        level += 10.0;
    }
    for b in bits.clone() {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{GREY}\" text-anchor=\"middle\">{b}</text>",
            x(b),
            at.1 + HEIGHT - MARGIN.1 + 16.0
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{} {:.1}h{w}\" stroke=\"{GREY}\" stroke-dasharray=\"4 3\"/>",
        x(*bits.start()),
        y(p.reference)
    );
    let origin = (at.0, at.1 + MARGIN.1);
    let _ = writeln!(
        out,
        "<g transform=\"translate({} {})\"><g clip-path=\"url(#frame)\">",
        origin.0, origin.1
    );
    for (i, s) in p.series.iter().enumerate() {
        let points: Vec<String> = bits
            .clone()
            .zip(&s.accuracy)
            .map(|(b, a)| format!("{:.1},{:.1}", x(b) - origin.0, y(*a) - origin.1))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            points.join(" "),
            COLOURS[i % COLOURS.len()]
        );
    }
    let _ = writeln!(out, "</g></g>");
}
