//! The outcome of `bench verify` as text: a table per preset, the families' sums, and every
//! region that stayed open.

use super::count;
use super::table::numbers;
use ceg4n_report::{Bench, BenchRegion, LabelRow, LabelTable, Row, Table, Times};
use std::fmt::Write;

/// Everything but counterexamples and witnesses, which JSON has; with `each`, a line for every
/// region.
pub(crate) fn bench(b: &Bench, each: bool, columns: Option<usize>) -> String {
    let mut out = String::new();
    if let Some(table) = &b.label_table {
        labels(&mut out, table, columns);
    }
    for table in &b.tables {
        verdicts(&mut out, table, b, columns);
        if each {
            every_region(&mut out, &table.preset, b, columns);
        }
    }
    open_regions(&mut out, b);
    for s in &b.skipped {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(out, "left out: {}: {}", s.name, s.reason);
    }
    if !b.optimized {
        out.push_str("a build with debug assertions: times say little\n");
    }
    let memory = match b.peak_memory {
        Some(bytes) => format!(", peak memory {} MiB", bytes >> 20),
        None => String::new(),
    };
    let _ = writeln!(
        out,
        "seconds: {:.2}, CPU {:.2}, {}{memory}",
        b.seconds,
        b.cpu_seconds,
        count(b.jobs, "thread"),
    );
    if b.clock_limited {
        out.push_str("the run was cut short by a limit or by hand; another one may find more\n");
    }
    out
}

/// A time, in a column that stays as wide for slow regions.
fn time(v: f64) -> String {
    format!("{v:9.3}")
}

fn times(t: &Times) -> [String; 5] {
    let ms = [t.median_ms, t.max_ms, t.median_cpu_ms, t.max_cpu_ms];
    let [a, b, c, d] = ms.map(time);
    [a, b, c, d, time(t.cpu_seconds)]
}

/// Wall and processor time of a region; processor time of all.
const TIME_HEADS: [&str; 5] = ["median ms", "max ms", "median CPU", "max CPU ms", "CPU s"];

fn head(names: &[&str]) -> Vec<String> {
    let all = names.iter().chain(&TIME_HEADS);
    all.map(|s| (*s).to_owned()).collect()
}

/// A lone family repeats the sum, and families of one row repeat it.
fn several<'a, T>(families: &'a [T], rows: &[T]) -> &'a [T] {
    if (2..rows.len()).contains(&families.len()) {
        families
    } else {
        &[]
    }
}

fn labels(out: &mut String, table: &LabelTable, columns: Option<usize>) {
    out.push_str("does the reference keep its class?\n");
    let mut rows = vec![head(&[
        "network",
        "radius",
        "regions",
        "keeps",
        "changes",
        "undecided",
    ])];
    let row = |r: &LabelRow| {
        let mut cells = vec![r.name.clone(), r.ball_size.clone().unwrap_or_default()];
        let counts = [r.regions, r.keeps, r.changes, r.undecided];
        cells.extend(counts.map(|n| n.to_string()));
        cells.extend(times(&r.times));
        cells.push(equal(r.equal));
        cells
    };
    rows.extend(table.rows.iter().map(row));
    rows.extend(several(&table.families, &table.rows).iter().map(row));
    rows.push(row(&table.total));
    out.push_str(&numbers(&rows, 2, 2, columns));
}

/// How many boxes were left out.
fn equal(n: u64) -> String {
    match n {
        0 => String::new(),
        n => format!("{n} equal to others"),
    }
}

/// The margin that was asked for and the one that holds; boxes left out.
fn notes(r: &Row) -> String {
    let asked = r.margin.as_ref().map(|m| match r.margin_proved {
        Some(proved) => format!("margin {m}, proved {proved:.4}"),
        None => format!("margin {m}"),
    });
    let notes = [asked.unwrap_or_default(), equal(r.equal)];
    let notes: Vec<_> = notes.into_iter().filter(|n| !n.is_empty()).collect();
    notes.join(", ")
}

fn verdicts(out: &mut String, table: &Table, b: &Bench, columns: Option<usize>) {
    let asked = &b.requirement;
    let _ = writeln!(out, "{}: {asked}, domain {}", table.preset, b.domain);
    let mut rows = vec![head(&[
        "network",
        "radius",
        "regions",
        "proved",
        "margin",
        "refuted",
        "vacuous",
        "unknown",
        "changes",
        "undecided",
        "boxes",
        "points",
    ])];
    rows.extend(table.rows.iter().map(verdict_row));
    rows.extend(
        several(&table.families, &table.rows)
            .iter()
            .map(verdict_row),
    );
    rows.push(verdict_row(&table.total));
    out.push_str(&numbers(&rows, 2, 2, columns));
}

fn verdict_row(r: &Row) -> Vec<String> {
    let mut cells = vec![r.name.clone(), r.ball_size.clone().unwrap_or_default()];
    if let Some(reason) = &r.unsupported {
        cells.extend(std::iter::repeat_n("-".to_owned(), 10 + TIME_HEADS.len()));
        cells.push(format!("not supported: {reason}"));
        return cells;
    }
    let counts = [
        r.regions,
        r.proved,
        r.proved_margin,
        r.refuted,
        r.vacuous,
        r.unknown,
        r.changes,
        r.undecided,
        r.boxes,
        r.points,
    ];
    cells.extend(counts.map(|n| n.to_string()));
    cells.extend(times(&r.times));
    cells.push(notes(r));
    cells
}

/// One line per region under a preset.
fn every_region(out: &mut String, preset: &str, b: &Bench, columns: Option<usize>) {
    let head = [
        "network", "region", "radius", "asked", "label", "verdict", "method", "boxes", "points",
        "ms", "CPU ms",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let own = b.regions.iter().filter(|r| r.preset == preset);
    rows.extend(own.map(|r| {
        let verdict = match r.vacuous {
            true => format!("{} (vacuous)", r.verdict),
            false => r.verdict.clone(),
        };
        let mut cells = vec![
            r.network.clone(),
            r.id.clone(),
            r.ball_size.clone().unwrap_or_default(),
            r.requirement.clone(),
            r.label.clone(),
            verdict,
            r.method.clone(),
            r.boxes.to_string(),
            r.points.to_string(),
            time(r.seconds * 1e3),
            time(r.cpu_seconds * 1e3),
        ];
        cells.extend(r.equal_to.as_ref().map(|other| format!("equal to {other}")));
        cells
    }));
    out.push_str(&numbers(&rows, 2, 7, columns));
}

fn open_regions(out: &mut String, b: &Bench) {
    let undecided = b.labels.iter().filter(|l| l.label == "undecided");
    for l in undecided.filter(|l| l.equal_to.is_none()) {
        let why = match l.clock_limited {
            true => "a limit was reached, or the run was interrupted",
            false => "neither shown to keep its class nor to change it",
        };
        let _ = writeln!(out, "open: labels {} {}: {why}", l.network, l.id);
    }
    for r in &b.regions {
        if r.verdict == "unknown" && r.equal_to.is_none() {
            let _ = writeln!(out, "open: {}", open(r));
        }
    }
}

/// A region without a verdict, and how far its work came.
fn open(r: &BenchRegion) -> String {
    let reason = r.reason.as_deref().unwrap_or("no reason was given");
    let far = r
        .open
        .as_ref()
        .map_or(String::new(), super::report::progress);
    format!(
        "{} {} {} ({}): {reason}{far}, {:.2} s",
        r.preset, r.network, r.id, r.requirement, r.seconds
    )
}
