//! `bench instances` as text.

use super::table::numbers;
use ceg4n_driver::query::instances::{InstanceRow, Instances};
use std::fmt::Write;

/// A line per instance, and the counts.
pub(crate) fn instances(found: &Instances, columns: Option<usize>) -> String {
    let head = ["query", "networks", "answer", "checked", "seconds", "boxes"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(found.rows.iter().map(row));
    let mut out = numbers(&rows, 0, 4, columns);
    let c = &found.counts;
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{} instances: {} sat, {} unsat, {} unknown, {} timed out, {} errors",
        found.rows.len(),
        c.sat,
        c.unsat,
        c.unknown,
        c.timed_out,
        c.errors
    );
    if c.defects > 0 {
        let _ = writeln!(out, "DEFECTS: {} answers are contradicted", c.defects);
    }
    out
}

fn row(r: &InstanceRow) -> Vec<String> {
    let checked = match (r.replayed, &r.sampled) {
        (Some(true), _) => "replayed".to_owned(),
        (Some(false), _) => "DOES NOT REPLAY".to_owned(),
        (None, Some(s)) if s.satisfying > 0 => format!("SATISFIED AT {} POINTS", s.satisfying),
        (None, Some(s)) => format!("{} points", s.points),
        (None, None) => String::new(),
    };
    let mut row = vec![
        r.query.clone(),
        r.networks.join(" "),
        r.answer.clone(),
        checked,
        format!("{:.2}", r.seconds),
        r.boxes.to_string(),
    ];
    if let Some(reason) = &r.reason {
        row.push(reason.clone());
    }
    row
}
