//! The outcome of `bench compile`: a table of rows, the presets beside each other, and their sums,
//! as text or as Markdown.

use super::table::numbers;
use ceg4n_report::{AUTO, CompileBench, CompileCase, CompileRow, CompileSum, RowAccuracy};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A table: its heads, how many columns are texts, and its rows.
struct Table {
    heads: Vec<String>,
    texts: usize,
    rows: Vec<Vec<String>>,
}

/// The tables and notes as text.
pub(crate) fn bench_compile(b: &CompileBench, columns: Option<usize>) -> String {
    let as_text = |t: &Table| {
        let rows = [std::slice::from_ref(&t.heads), &t.rows].concat();
        numbers(&rows, 2, t.texts, columns)
    };
    all(b, &as_text)
}

/// The same as Markdown.
pub(crate) fn bench_compile_markdown(b: &CompileBench) -> String {
    all(b, &markdown)
}

fn all(b: &CompileBench, show: &dyn Fn(&Table) -> String) -> String {
    let mut out = String::new();
    let mut section = |title: &str, table: &Table| {
        if !table.rows.is_empty() {
            // Writing to a string does not fail, here and below.
            let _ = write!(out, "{title}\n\n{}\n", show(table));
        }
    };
    section("One row per network, radius and preset:", &rows(b));
    section("Costs at the same guarantee, by preset:", &cases(b));
    section("Sums:", &sums(b));
    out.push_str(&notes(b));
    out
}

fn markdown(t: &Table) -> String {
    let cell = |text: &String| text.replace('|', "\\|").replace('\n', " ");
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(t.heads.clone());
    let rule = |c: usize| if c < t.texts { "---" } else { "---:" };
    out += &line((0..t.heads.len()).map(|c| rule(c).to_owned()).collect());
    for row in &t.rows {
        // A note without a head stands behind the last column.
        let (cells, notes) = row.split_at(t.heads.len().min(row.len()));
        let mut cells: Vec<String> = cells.iter().map(cell).collect();
        if let Some(last) = cells.last_mut() {
            for note in notes.iter().filter(|n| !n.is_empty()) {
                let _ = write!(last, " {}", cell(note));
            }
        }
        out += &line(cells);
    }
    out
}

/// Seconds with three decimals, as every time of a table.
fn seconds(v: f64) -> String {
    format!("{v:.3}")
}

fn percent(v: f64) -> String {
    format!("{:.2}", v * 100.0)
}

fn optional(v: Option<f64>, show: impl Fn(f64) -> String) -> String {
    v.map_or_else(|| "-".to_owned(), show)
}

fn rows(b: &CompileBench) -> Table {
    let mut heads = vec![
        "network", "radius", "preset", "status", "bits", "cost", "weights", "ceg4n", "flash",
    ];
    let measured = b.rows.iter().any(|r| r.accuracy.is_some());
    if measured {
        heads.extend(["accuracy %", "lost", "agree %"]);
    }
    heads.extend(["candidates", "verified", "seconds"]);
    Table {
        heads: heads.into_iter().map(str::to_owned).collect(),
        texts: 5,
        rows: b.rows.iter().map(|r| row(r, measured)).collect(),
    }
}

fn row(r: &CompileRow, measured: bool) -> Vec<String> {
    let widths: Vec<String> = r.weight_bits.iter().map(u8::to_string).collect();
    let mut cells = vec![
        r.network.clone(),
        r.ball_size.clone().unwrap_or_default(),
        r.preset.clone(),
        status(r),
        widths.join(","),
    ];
    let cost = r.cost.as_ref();
    let of = |v: Option<u64>| v.map_or_else(|| "-".to_owned(), |v| v.to_string());
    cells.extend([
        of(cost.map(|c| c.value)),
        of(cost.map(|c| c.weights_bits)),
        of(cost.map(|c| c.ceg4n_bits)),
        of(cost.map(|c| c.flash_bytes)),
    ]);
    if measured {
        let a = r.accuracy.as_ref();
        cells.extend([
            optional(a.and_then(|a| a.kernel), percent),
            optional(a.and_then(RowAccuracy::lost), percent),
            optional(a.map(|a| a.agreement), percent),
        ]);
    }
    cells.extend([
        r.candidates.to_string(),
        r.iterations.to_string(),
        seconds(r.seconds),
    ]);
    let limited = if r.clock_limited { "time limit" } else { "" };
    let reason = r.reason.clone().unwrap_or_default();
    let note = [limited.to_owned(), reason];
    let note: Vec<String> = note.into_iter().filter(|n| !n.is_empty()).collect();
    cells.push(note.join("; "));
    cells
}

/// The status with the regions that are proved: strictly, and under a margin.
fn status(r: &CompileRow) -> String {
    let mut parts = Vec::new();
    for (n, name) in [
        (r.proved, "strict"),
        (r.proved_margin, "margin"),
        (r.vacuous, "vacuous"),
        (r.refuted, "refuted"),
        (r.unknown, "open"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {name}"));
        }
    }
    format!("{} ({})", r.status.name(), parts.join(", "))
}

/// The presets of a table, in order.
fn presets(b: &CompileBench) -> Vec<&str> {
    let mut list: Vec<&str> = Vec::new();
    for r in &b.rows {
        if !list.contains(&r.preset.as_str()) {
            list.push(&r.preset);
        }
    }
    list
}

fn cases(b: &CompileBench) -> Table {
    let presets = presets(b);
    let heads = ["network", "radius"].into_iter().chain(presets.clone());
    let heads = heads.chain(["saved %", "cheaper than auto"]);
    Table {
        heads: heads.map(str::to_owned).collect(),
        texts: 2,
        rows: b.cases.iter().map(|c| case(b, c, &presets)).collect(),
    }
}

fn case(b: &CompileBench, c: &CompileCase, presets: &[&str]) -> Vec<String> {
    let mut cells = vec![c.network.clone(), c.ball_size.clone().unwrap_or_default()];
    let cost = |preset: &str| {
        let row = b.rows.iter().find(|r| {
            r.preset == preset
                && r.question == c.question
                && r.network == c.network
                && r.ball_size == c.ball_size
        });
        let cost = row.and_then(CompileRow::cost_at_guarantee);
        cost.map_or_else(|| "-".to_owned(), |v| v.to_string())
    };
    cells.extend(presets.iter().map(|p| cost(p)));
    cells.push(optional(c.ratio.map(|r| 1.0 - r), percent));
    cells.push(match c.cheaper.is_empty() {
        true => "-".to_owned(),
        false => c.cheaper.join(", "),
    });
    cells
}

fn sums(b: &CompileBench) -> Table {
    // A lone family repeats the sum of all.
    let families: BTreeSet<&str> = b.rows.iter().map(|r| r.family.as_str()).collect();
    let shown = |s: &&CompileSum| families.len() > 1 || s.family == ceg4n_report::ALL;
    Table {
        heads: [
            "family",
            "preset",
            "rows",
            "proved",
            "vacuous",
            "refuted",
            "unknown",
            "failed",
            "compared",
            "median saved %",
            "cheaper than auto",
            "most lost",
            "seconds",
        ]
        .map(str::to_owned)
        .to_vec(),
        texts: 2,
        rows: b.sums.iter().filter(shown).map(sum).collect(),
    }
}

fn sum(s: &CompileSum) -> Vec<String> {
    let mut cells = vec![s.family.clone(), s.preset.clone()];
    let counts = [
        s.rows, s.proved, s.vacuous, s.refuted, s.unknown, s.failed, s.compared,
    ];
    cells.extend(counts.map(|n| n.to_string()));
    cells.push(optional(s.median_saving, percent));
    cells.push(match s.preset == AUTO {
        true => "-".to_owned(),
        false => s.cheaper_than_auto.to_string(),
    });
    cells.push(optional(s.accuracy_lost, percent));
    cells.push(seconds(s.seconds));
    cells
}

fn notes(b: &CompileBench) -> String {
    let mut out = String::new();
    for s in &b.skipped {
        let _ = writeln!(out, "left out: {}: {}", s.name, s.reason);
    }
    if !b.optimized {
        out.push_str("a build with debug assertions: times say little\n");
    }
    let builds: BTreeSet<String> = b
        .rows
        .iter()
        .filter_map(|r| Some(r.build?.to_string()))
        .collect();
    if builds.len() > 1 {
        let _ = writeln!(
            out,
            "the rows come from {} builds of the tool",
            builds.len()
        );
    }
    let _ = writeln!(
        out,
        "rows: {}, computed {}, from the store {}",
        b.rows.len(),
        b.computed,
        b.reused
    );
    if b.interrupted {
        out.push_str("the run was ended before every row was there\n");
    }
    out
}
