//! Runs of a store, and two results side by side.

use super::table::table;
use ceg4n_driver::runs::{Difference, Entry, Listing, Side};
use std::fmt::Write;

/// `runs`.
pub(crate) fn runs(listings: &[Listing], columns: Option<usize>) -> String {
    let mut text = String::new();
    for l in listings {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", l.folder.display());
        let head = [
            "run", "begun", "network", "state", "status", "cost", "versions", "seconds", "command",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(l.runs.iter().map(row));
        text.push_str(&table(&rows, 2, columns));
    }
    text
}

fn row(e: &Entry) -> Vec<String> {
    let dash = || "-".to_owned();
    let r = &e.run;
    let state = match r.resumed {
        0 => r.state.name().to_owned(),
        n => format!("{}, resumed {n}x", r.state.name()),
    };
    vec![
        r.id.to_string(),
        r.started.clone(),
        r.network.clone(),
        state,
        r.status.clone().unwrap_or_else(dash),
        e.cost.map_or_else(dash, |c| c.to_string()),
        r.versions.to_string(),
        format!("{:.3}", r.seconds),
        r.command_line.clone(),
    ]
}

/// `diff`.
pub(crate) fn difference(d: &Difference, all: bool, columns: Option<usize>) -> String {
    let dash = |t: Option<&String>| t.cloned().unwrap_or_else(|| "-".to_owned());
    let [a, b] = &d.sides;
    let mut text = format!("A: {}\nB: {}\n", a.name, b.name);
    if !d.same_network {
        text.push_str("the networks differ\n");
    }
    if d.same_program {
        text.push_str("the programs are the same\n");
    }
    text.push_str(&table(&sides(a, b), 2, columns));
    let mut rows = vec![["layer", "A", "B"].map(str::to_owned).to_vec()];
    for l in d.layers.iter().filter(|l| all || !l.same()) {
        let [x, y] = &l.formats;
        rows.push(vec![
            format!("%{}", l.name),
            dash(x.as_ref()),
            dash(y.as_ref()),
        ]);
    }
    block(&mut text, &rows, "formats", d.layers.len(), columns);
    let mut rows = vec![["region", "asked", "A", "B"].map(str::to_owned).to_vec()];
    for r in d.regions.iter().filter(|r| all || !r.same()) {
        let [x, y] = &r.verdicts;
        let asked = r.requirement.clone();
        rows.push(vec![
            r.id.clone(),
            asked,
            dash(x.as_ref()),
            dash(y.as_ref()),
        ]);
    }
    block(&mut text, &rows, "verdicts", d.regions.len(), columns);
    text
}

fn block(text: &mut String, rows: &[Vec<String>], what: &str, of: usize, columns: Option<usize>) {
    // Writing to a string does not fail.
    let _ = match rows.len() - 1 {
        0 => writeln!(text, "{what}: all {of} the same"),
        _ => write!(text, "{what}:\n{}", table(rows, 2, columns)),
    };
}

fn sides(a: &Side, b: &Side) -> Vec<Vec<String>> {
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let metric = |s: &Side| s.metric.clone().unwrap_or_else(|| "cost".to_owned());
    let cost = match a.metric == b.metric {
        true => metric(a),
        false => format!("{}, {}", metric(a), metric(b)),
    };
    let row = |name: &str, x: String, y: String| vec![name.to_owned(), x, y];
    vec![
        row("", "A".to_owned(), "B".to_owned()),
        row("status", a.status.clone(), b.status.clone()),
        row(&cost, number(a.cost), number(b.cost)),
        row(
            "constant bytes",
            number(a.flash_bytes),
            number(b.flash_bytes),
        ),
        row("versions", number(a.versions), number(b.versions)),
        row(
            "seconds",
            format!("{:.3}", a.seconds),
            format!("{:.3}", b.seconds),
        ),
    ]
}
