//! `rules --simplify` as text.

use ceg4n_driver::simplify::Simplification;
use std::fmt::Write;

/// The expression, what it becomes, what is proved of it, what it costs, and by which rules.
pub(crate) fn simplification(found: &Simplification) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let equal = if found.unproved.is_empty() { "=" } else { "->" };
    let _ = writeln!(out, "{}\n{equal} {}", found.before, found.after);
    let _ = writeln!(out, "in {}", found.facts);
    let [before, after] = found.cost;
    let _ = writeln!(out, "cost ({}) {before} -> {after}", found.model);
    let _ = writeln!(out, "needs {}", names(&found.needed));
    let _ = writeln!(out, "fired {}", names(&found.fired));
    if !found.unproved.is_empty() {
        let _ = writeln!(
            out,
            "not proved: {}; the two may differ",
            names(&found.unproved)
        );
    }
    if !found.saturated {
        let _ = writeln!(out, "cut short: more rules apply than the limits allow");
    }
    out
}

fn names(all: &[String]) -> String {
    match all.is_empty() {
        true => "no rule".to_owned(),
        false => all.join(", "),
    }
}
