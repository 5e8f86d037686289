//! `rules --simplify` as text.

use ceg4n_driver::simplify::Simplification;
use std::fmt::Write;

/// The expression, what it becomes, what is proved of it, what it costs, and by which rules.
pub(crate) fn simplification(found: &Simplification) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    // Of a range that a wrong rule may have narrowed nothing is said.
    let _ = match found.unproved.is_empty() {
        true => writeln!(
            out,
            "{}\n= {}\nin {}",
            found.before, found.after, found.facts
        ),
        false => writeln!(out, "{}\n-> {}", found.before, found.after),
    };
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
