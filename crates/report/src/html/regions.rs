//! The regions in groups: what is decided as it was asked, and set apart from it what is under a
//! margin, vacuous, refuted or open.

use super::words::{count, exact, greatest, of, real, time};
use crate::{Region, Report};
use serde::Serialize;
use std::collections::BTreeMap;

/// Groups of more rows are folded.
const MOST_SHOWN: usize = 24;
/// Rows beyond these stand in the report alone.
const MOST_ROWS: usize = 1000;
/// Boxes of so many inputs are written out.
const FEW_INPUTS: usize = 5;

/// Regions of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    /// `proved`, `margin`, `vacuous`, `refuted` or `open`: colour and mark.
    pub class: &'static str,
    pub title: &'static str,
    /// What that means.
    pub text: &'static str,
    pub count: String,
    /// Methods, boxes and times in one line.
    pub sum: String,
    /// The heads of the columns of this kind.
    pub extra: Vec<&'static str>,
    /// The boxes are written out.
    pub boxes: bool,
    pub folded: bool,
    pub rows: Vec<Row>,
    /// Rows that are left out, in words.
    pub rest: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub id: String,
    pub asked: String,
    pub interval: String,
    pub extra: Vec<String>,
    pub method: String,
    pub boxes: String,
    pub points: String,
    pub time: String,
}

/// What kind of region it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Refuted,
    Open,
    Vacuous,
    Margin,
    Proved,
}

pub(super) fn kind(r: &Region) -> Kind {
    match r.verdict.as_str() {
        "refuted" => Kind::Refuted,
        "proved" if r.vacuous => Kind::Vacuous,
        "proved" if r.requirement.starts_with("top1 margin ") => Kind::Margin,
        "proved" => Kind::Proved,
        _ => Kind::Open,
    }
}

/// How many regions are of a kind.
pub(super) fn number(report: &Report, of: Kind) -> u64 {
    report.regions.iter().filter(|r| kind(r) == of).count() as u64
}

/// The groups that have a region, the worst first.
pub(super) fn groups(report: &Report) -> Vec<Group> {
    [
        Kind::Refuted,
        Kind::Open,
        Kind::Vacuous,
        Kind::Margin,
        Kind::Proved,
    ]
    .into_iter()
    .filter_map(|k| {
        let regions: Vec<&Region> = report.regions.iter().filter(|r| kind(r) == k).collect();
        (!regions.is_empty()).then(|| group(k, &regions))
    })
    .collect()
}

fn group(kind: Kind, regions: &[&Region]) -> Group {
    let (class, title, text, extra): (_, _, _, &[&str]) = match kind {
        Kind::Refuted => (
            "refuted",
            "Refuted",
            "A point of the region breaks the requirement; it was evaluated exactly in network and kernel.",
            &["Greatest output: network, kernel"],
        ),
        Kind::Open => (
            "open",
            "Open",
            "Neither proved nor refuted: nothing is claimed here.",
            &["Proved share", "Open boxes", "Reason"],
        ),
        Kind::Vacuous => (
            "vacuous",
            "Vacuous",
            "A constant answer would satisfy the requirement here, so that it says nothing about the kernel. Never counted as proved.",
            &["Would do"],
        ),
        Kind::Margin => (
            "margin",
            "Proved under a margin",
            "A weaker statement: the kernel may give another class, if the network's output for it lies within the margin below its greatest.",
            &["Margin shown", "Network changes class"],
        ),
        Kind::Proved => (
            "proved",
            "Proved as asked",
            "For every point of the region's domain, without exception.",
            &[],
        ),
    };
    let boxes = regions
        .iter()
        .any(|r| !r.lower.is_empty() && r.lower.len() <= FEW_INPUTS);
    let rest = regions.len().saturating_sub(MOST_ROWS) as u64;
    Group {
        class,
        title,
        text,
        count: count(regions.len() as u64),
        sum: sum(regions),
        extra: extra.to_vec(),
        boxes,
        folded: regions.len() > MOST_SHOWN,
        rows: regions
            .iter()
            .take(MOST_ROWS)
            .map(|r| row(kind, r, boxes))
            .collect(),
        rest: (rest > 0).then(|| of(rest, "more region")),
    }
}

/// Methods with their counts, boxes, points, times.
fn sum(regions: &[&Region]) -> String {
    let mut methods: BTreeMap<&str, u64> = BTreeMap::new();
    for r in regions {
        *methods.entry(r.method.as_str()).or_default() += 1;
    }
    let methods: Vec<String> = methods
        .iter()
        .filter(|(m, _)| **m != "none")
        .map(|(m, n)| format!("{m} {}", count(*n)))
        .collect();
    let boxes = regions.iter().fold(0u64, |n, r| n.saturating_add(r.boxes));
    let seconds: f64 = regions.iter().map(|r| r.seconds).sum();
    let mut parts = Vec::new();
    if !methods.is_empty() {
        parts.push(format!("by {}", methods.join(", ")));
    }
    let all = if boxes == 1 { "box" } else { "boxes" };
    parts.push(format!("{} {all} looked at", count(boxes)));
    parts.push(format!("{} in sum", time(seconds)));
    parts.join(" · ")
}

/// Which output is the greatest in network and kernel, at the counterexample.
fn greatest_outputs(r: &Region) -> String {
    let of = |outputs: &[ceg4n_base::Exact]| match outputs.len() {
        0 | 1 => None,
        _ => greatest(outputs),
    };
    let pair = r.counterexample.as_ref();
    let pair = pair.and_then(|c| Some((of(&c.reference)?, of(&c.kernel)?)));
    pair.map_or("–".to_owned(), |(n, k)| format!("{n}, {k}"))
}

fn row(kind: Kind, r: &Region, boxes: bool) -> Row {
    let extra = match kind {
        Kind::Proved => Vec::new(),
        Kind::Refuted => vec![greatest_outputs(r)],
        Kind::Open => {
            let open = r.open.as_ref();
            vec![
                open.map_or("–".to_owned(), |o| super::words::percent(o.fraction)),
                open.map_or("–".to_owned(), |o| count(o.boxes)),
                r.reason.clone().unwrap_or_default(),
            ]
        }
        Kind::Vacuous => vec![r.vacuous_constant.clone().unwrap_or_default()],
        Kind::Margin => vec![
            r.margin_proved.map_or("–".to_owned(), |m| real(m, 4)),
            match r.reference_changes_class {
                true => "yes, shown by two points".to_owned(),
                false => "not shown".to_owned(),
            },
        ],
    };
    let ends = || {
        let pairs = r.lower.iter().zip(&r.upper);
        let parts: Vec<String> = pairs
            .map(|(l, u)| format!("[{}, {}]", exact(l), exact(u)))
            .collect();
        parts.join(" × ")
    };
    Row {
        id: r.id.clone(),
        asked: r.requirement.clone(),
        interval: if boxes { ends() } else { String::new() },
        extra,
        method: r.method.clone(),
        boxes: count(r.boxes),
        points: count(r.points),
        time: time(r.seconds),
    }
}
