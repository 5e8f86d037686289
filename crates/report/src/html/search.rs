//! The loop: its versions with what ended them, the front of a Pareto search, and what is known of
//! everything cheaper.

use super::chart::{Chart, Shown, chart};
use super::words::{count, of, real, sentence};
use crate::{Loop, LoopVersion, ParetoPoint, Report};
use serde::Serialize;

/// Rows of versions on the page.
const MOST_ROWS: usize = 400;
/// From so many versions on marks have no texts of their own.
const MOST_TEXTS: usize = 600;

#[derive(Debug, Serialize)]
pub(super) struct Search {
    pub sentences: Vec<String>,
    pub cost: Option<Chart>,
    /// A version was proved.
    pub best: bool,
    pub points: Option<Chart>,
    pub rows: Vec<Row>,
    pub rest: Option<String>,
    /// What ended versions: class, word, count.
    pub legend: Vec<(&'static str, &'static str, String)>,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub version: String,
    pub bits: Vec<String>,
    pub cost: String,
    pub class: &'static str,
    pub ended: String,
}

fn class(v: &LoopVersion) -> &'static str {
    match v.ended.as_str() {
        "proved" => "proved",
        "refuted" => "refuted",
        _ => "open",
    }
}

fn ended(v: &LoopVersion) -> String {
    match (class(v), &v.region, v.counterexample, &v.reason) {
        ("proved", ..) => "proved".to_owned(),
        ("refuted", Some(region), Some(i), _) => {
            format!("refuted in region {region}, point {i}")
        }
        ("refuted", ..) => "refuted".to_owned(),
        (_, _, _, Some(reason)) => format!("set aside: {reason}"),
        _ => "set aside".to_owned(),
    }
}

/// Widths in brief: `4 4 6`, one figure if they are all the same.
fn widths(bits: &[u8]) -> String {
    match bits {
        [] => "–".to_owned(),
        [first, rest @ ..] if rest.len() > 1 && rest.iter().all(|b| b == first) => {
            format!("{first} ×{}", bits.len())
        }
        _ => {
            let all: Vec<String> = bits.iter().map(u8::to_string).collect();
            all.join(" ")
        }
    }
}

pub(super) fn search(r: &Report) -> Option<Search> {
    let l = r.loop_.as_ref()?;
    let metric = r.cost.as_ref().map_or("cost", |c| c.metric.as_str());
    let mut sentences = vec![format!(
        "{} evaluated on stored points; {} of them reached the verifier.",
        of(l.candidates, "candidate"),
        count(l.iterations)
    )];
    let started = match l.start_points {
        Some(n) => format!(", {} of them from the start", count(n)),
        None => String::new(),
    };
    sentences.push(format!(
        "{} that each candidate must get right{started}.",
        of(l.counterexamples, "point")
    ));
    let kinds = [
        ("proved", "proved"),
        ("refuted", "refuted by a counterexample"),
        ("open", "set aside, open"),
    ];
    let legend = kinds.into_iter().filter_map(|(k, word)| {
        let n = l.versions.iter().filter(|v| class(v) == k).count() as u64;
        (n > 0).then(|| (k, word, count(n)))
    });
    let row = |v: &LoopVersion| Row {
        version: match v.guided {
            true => format!("v{} guided", v.version),
            false => format!("v{}", v.version),
        },
        bits: vec![
            widths(&v.weight_bits),
            widths(&v.bias_bits),
            widths(&v.activation_bits),
        ],
        cost: count(v.cost),
        class: class(v),
        ended: ended(v),
    };
    let rest = l.versions.len().saturating_sub(MOST_ROWS) as u64;
    Some(Search {
        sentences,
        cost: (!l.versions.is_empty()).then(|| cost(l, metric)),
        best: l.versions.iter().any(|v| class(v) == "proved"),
        points: points(l),
        rows: l.versions.iter().take(MOST_ROWS).map(row).collect(),
        rest: (rest > 0).then(|| of(rest, "more version")),
        legend: legend.collect(),
    })
}

/// Cost over versions, marks by what ended them, and the best that was proved so far.
fn cost(l: &Loop, metric: &str) -> Chart {
    let few = l.versions.len() <= MOST_TEXTS;
    let mark = |v: &LoopVersion| {
        let text = match few {
            true => format!("v{}: cost {}, {}", v.version, count(v.cost), ended(v)),
            false => String::new(),
        };
        (class(v), (f64::from(v.version), v.cost as f64), text)
    };
    let mut best: Vec<(f64, f64)> = Vec::new();
    for v in &l.versions {
        let last = best.last().map(|p| p.1);
        let x = f64::from(v.version);
        if class(v) == "proved" && last.is_none_or(|c| (v.cost as f64) < c) {
            best.extend(last.map(|c| (x, c)));
            best.push((x, v.cost as f64));
        }
    }
    if let (Some(p), Some(v)) = (best.last().copied(), l.versions.last()) {
        best.push((f64::from(v.version), p.1));
    }
    let least = best.last().map(|p| p.1);
    chart(Shown {
        title: "Cost of each version",
        text: match least {
            Some(c) => format!(
                "{}; the least proved cost is {}.",
                of(l.versions.len() as u64, "version"),
                real(c, 12)
            ),
            None => format!(
                "{}; none was proved.",
                of(l.versions.len() as u64, "version")
            ),
        },
        labels: ("version", metric),
        height: 260.0,
        marks: l.versions.iter().map(mark).collect(),
        lines: vec![("best", best)],
        whole: (true, true),
    })
}

/// Stored points over versions.
fn points(l: &Loop) -> Option<Chart> {
    let first = l.start_points? as f64;
    if l.versions.len() < 2 {
        return None;
    }
    let mut stored = first;
    let mut line = vec![(f64::from(l.versions[0].version), first)];
    for v in &l.versions {
        let x = f64::from(v.version);
        line.push((x, stored));
        stored += f64::from(u8::from(class(v) == "refuted"));
        line.push((x, stored));
    }
    Some(chart(Shown {
        title: "Points that each candidate must get right",
        text: format!(
            "From {} at the start to {}.",
            real(first, 12),
            real(stored, 12)
        ),
        labels: ("version", "points"),
        height: 150.0,
        marks: Vec::new(),
        lines: vec![("stored", line)],
        whole: (true, true),
    }))
}

/// The proved programs of a Pareto search.
#[derive(Debug, Serialize)]
pub(super) struct Front {
    pub measure: String,
    pub samples: String,
    pub chart: Chart,
    pub rows: Vec<FrontRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct FrontRow {
    pub version: String,
    pub bits: Vec<String>,
    pub cost: String,
    pub value: String,
    pub on_front: bool,
}

pub(super) fn front(r: &Report) -> Option<Front> {
    let p = r.pareto.as_ref()?;
    let metric = r.cost.as_ref().map_or("cost", |c| c.metric.as_str());
    let place = |p: &ParetoPoint| (p.cost as f64, p.value * 100.0);
    let mark = |p: &ParetoPoint| {
        let class = if p.on_front { "front" } else { "dominated" };
        let text = format!(
            "v{}: cost {}, {:.2} %",
            p.version,
            count(p.cost),
            p.value * 100.0
        );
        (class, place(p), text)
    };
    let on_front: Vec<(f64, f64)> = p.points.iter().filter(|p| p.on_front).map(place).collect();
    let y = format!("{} in %", p.measure);
    Some(Front {
        measure: p.measure.clone(),
        samples: p.samples.clone(),
        chart: chart(Shown {
            title: "Proved programs: cost against quality",
            text: format!(
                "{} are proved, {} of them on the front.",
                of(p.points.len() as u64, "program"),
                count(on_front.len() as u64)
            ),
            labels: (metric, &y),
            height: 260.0,
            // The front last, so that nothing lies over it.
            marks: {
                let (front, dominated): (Vec<&ParetoPoint>, Vec<&ParetoPoint>) =
                    p.points.iter().partition(|p| p.on_front);
                dominated.into_iter().chain(front).map(mark).collect()
            },
            lines: vec![("front", on_front)],
            whole: (true, false),
        }),
        rows: p
            .points
            .iter()
            .map(|p| FrontRow {
                version: format!("v{}", p.version),
                bits: vec![
                    widths(&p.weight_bits),
                    widths(&p.bias_bits),
                    widths(&p.activation_bits),
                ],
                cost: count(p.cost),
                value: super::words::percent(p.value),
                on_front: p.on_front,
            })
            .collect(),
    })
}

/// What became of every assignment that is cheaper than the result.
#[derive(Debug, Serialize)]
pub(super) struct Optimum {
    pub statement: String,
    pub cheaper: String,
    pub rows: Vec<(&'static str, String)>,
    pub not_tried_from: Option<String>,
}

pub(super) fn optimum(r: &Report) -> Option<Optimum> {
    let o = r.loop_.as_ref()?.optimality.as_ref()?;
    let rows = [
        ("break a stored point", o.refuted_count()),
        ("have formats that the checker refuses", o.refused),
        ("miss a demand on data", o.missed_demand),
        ("stayed open and were set aside", o.set_aside_count()),
        ("satisfy every stored point and were not tried", o.not_tried),
    ];
    let rows = rows.into_iter().filter(|_| o.cheaper > 0);
    Some(Optimum {
        statement: sentence(&o.statement),
        cheaper: count(o.cheaper),
        rows: rows.map(|(w, n)| (w, count(n))).collect(),
        not_tried_from: o.not_tried_from.map(count),
    })
}
