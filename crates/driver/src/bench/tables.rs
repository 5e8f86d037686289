//! From regions to counts: by network and radius, by family, and in all.

use super::inputs::{Inputs, Net};
use super::work::Subjects;
use super::{BenchOptions, BenchPreset};
use ceg4n_report::{BenchLabel, BenchRegion, LabelRow, LabelTable, Row, Table, Times};

/// The name of the row that sums up everything.
const ALL: &str = "all";

/// Radii of the regions that are decided, as in the file, in numeric order; the last may be none.
fn radii(net: &Net) -> Vec<Option<String>> {
    let wanted = net.items.iter().filter(|i| i.wanted);
    let mut list: Vec<_> = wanted
        .map(|i| (i.asked.region.ball_size.clone(), i.ball_size.clone()))
        .collect();
    list.sort_by(|a, b| (a.0.is_none(), &a.0).cmp(&(b.0.is_none(), &b.0)));
    list.dedup();
    list.into_iter().map(|r| r.1).collect()
}

/// Families in the order in which they come first.
fn families(inputs: &Inputs) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    for n in &inputs.nets {
        if !out.contains(&n.family.as_str()) {
            out.push(&n.family);
        }
    }
    out
}

fn members<'a>(inputs: &'a Inputs, family: &str) -> Vec<&'a str> {
    let of_family = inputs.nets.iter().filter(|n| n.family == family);
    of_family.map(|n| n.name.as_str()).collect()
}

/// The counts of labels.
pub(super) fn label_table(inputs: &Inputs, labels: &[BenchLabel]) -> LabelTable {
    let mut rows = Vec::new();
    for net in &inputs.nets {
        for radius in radii(net) {
            let own = |l: &&BenchLabel| l.network == net.name && l.ball_size == radius;
            let mut row = label_row(&net.name, &labels.iter().filter(own).collect::<Vec<_>>());
            row.ball_size = radius.clone();
            rows.push(row);
        }
    }
    let family = |f: &str| {
        let names = members(inputs, f);
        let own = |l: &&BenchLabel| names.contains(&l.network.as_str());
        label_row(f, &labels.iter().filter(own).collect::<Vec<_>>())
    };
    LabelTable {
        rows,
        families: families(inputs).into_iter().map(family).collect(),
        total: label_row(ALL, &labels.iter().collect::<Vec<_>>()),
    }
}

fn label_row(name: &str, labels: &[&BenchLabel]) -> LabelRow {
    let own: Vec<_> = labels.iter().filter(|l| l.equal_to.is_none()).collect();
    let count = |what: &str| own.iter().filter(|l| l.label == what).count() as u64;
    LabelRow {
        name: name.to_owned(),
        ball_size: None,
        regions: own.len() as u64,
        equal: (labels.len() - own.len()) as u64,
        keeps: count("keeps"),
        changes: count("changes"),
        undecided: count("undecided"),
        times: Times::of(
            &own.iter()
                .map(|l| (l.seconds, l.cpu_seconds))
                .collect::<Vec<_>>(),
        ),
    }
}

/// The counts of verdicts, a table per preset that has any.
pub(super) fn tables(
    options: &BenchOptions,
    inputs: &Inputs,
    subjects: &Subjects,
    regions: &[BenchRegion],
) -> Vec<Table> {
    let presets = options.presets.iter().enumerate();
    presets
        .filter(|(_, preset)| **preset != BenchPreset::Labels)
        .map(|(p, preset)| table(p, &preset.to_string(), inputs, subjects, regions))
        .collect()
}

fn table(
    p: usize,
    preset: &str,
    inputs: &Inputs,
    subjects: &Subjects,
    regions: &[BenchRegion],
) -> Table {
    let regions: Vec<_> = regions.iter().filter(|r| r.preset == preset).collect();
    let pick = |f: &dyn Fn(&BenchRegion) -> bool| -> Vec<&BenchRegion> {
        regions.iter().copied().filter(|r| f(r)).collect()
    };
    let mut rows = Vec::new();
    for (n, net) in inputs.nets.iter().enumerate() {
        for radius in radii(net) {
            let own = pick(&|r| r.network == net.name && r.ball_size == radius);
            let mut row = row(&net.name, &own);
            let of_radius = |i: &&super::inputs::Item| i.wanted && i.ball_size == radius;
            let group = net.items.iter().find(of_radius).map(|i| i.group);
            if let Some(group) = group {
                match &subjects.kernels[p][n][group] {
                    Some(Ok(subject)) => row.program = Some(subject.program().hash()),
                    Some(Err(reason)) => row.unsupported = Some(reason.clone()),
                    None => {}
                }
                let changes = own.iter().any(|r| under_margin(r));
                row.margin_proved = margin_proved(&own);
                row.margin = changes.then(|| subjects.margins[n][group].to_string());
            }
            row.ball_size = radius;
            rows.push(row);
        }
    }
    let family = |f: &str| {
        let names = members(inputs, f);
        row(f, &pick(&|r| names.contains(&r.network.as_str())))
    };
    Table {
        preset: preset.to_owned(),
        rows,
        families: families(inputs).into_iter().map(family).collect(),
        total: row(ALL, &regions),
    }
}

/// The largest margin that was shown to hold; `None` if one of them is not known.
fn margin_proved(regions: &[&BenchRegion]) -> Option<f64> {
    let proved = regions
        .iter()
        .filter(|r| r.verdict == "proved" && !r.vacuous && under_margin(r));
    proved
        .map(|r| r.margin_proved)
        .reduce(|a, b| Some(a?.max(b?)))
        .flatten()
}

fn under_margin(r: &BenchRegion) -> bool {
    r.requirement.starts_with("top1 margin")
}

fn row(name: &str, regions: &[&BenchRegion]) -> Row {
    let own: Vec<&BenchRegion> = regions
        .iter()
        .copied()
        .filter(|r| r.equal_to.is_none())
        .collect();
    let mut row = Row {
        name: name.to_owned(),
        regions: own.len() as u64,
        equal: (regions.len() - own.len()) as u64,
        times: Times::of(
            &own.iter()
                .map(|r| (r.seconds, r.cpu_seconds))
                .collect::<Vec<_>>(),
        ),
        ..Row::default()
    };
    for r in own {
        let place = match r.verdict.as_str() {
            "proved" if r.vacuous => &mut row.vacuous,
            "proved" if under_margin(r) => &mut row.proved_margin,
            "proved" => &mut row.proved,
            "refuted" => &mut row.refuted,
            _ => &mut row.unknown,
        };
        *place += 1;
        row.changes += u64::from(r.label == "changes");
        row.undecided += u64::from(r.label == "undecided");
        row.boxes += r.boxes;
        row.points += r.points;
    }
    row
}
