//! An output specification as VNN-LIB text.

use ceg4n_base::Exact;
use ceg4n_ir::{OutputConstraint, OutputSpec};
use std::fmt::Write as _;

/// The text of a query about the outputs alone, which reads back as the same cases. Constraints
/// with numbers that have no finite decimal are multiplied by their denominators; they mean the
/// same.
pub fn spec_to_text(spec: &OutputSpec) -> String {
    let mut out = String::from("; What must not happen, about the outputs alone.\n");
    // Writing to a string does not fail.
    for j in 0..spec.outputs {
        let _ = writeln!(out, "(declare-const Y_{j} Real)");
    }
    out.push_str("\n(assert (or\n");
    for case in &spec.cases {
        out.push_str("  (and");
        if case.is_empty() {
            out.push_str(" (<= 0 0)");
        }
        for c in case {
            let _ = write!(out, " {}", constraint(c));
        }
        out.push_str(")\n");
    }
    if spec.cases.is_empty() {
        out.push_str("  (< 0 0)\n");
    }
    out.push_str("))\n");
    out
}

fn constraint(c: &OutputConstraint) -> String {
    let numbers = || c.coefficients.iter().map(|(_, a)| a).chain([&c.constant]);
    // The product of denominators, where some number is no decimal.
    let scale = numbers()
        .filter(|v| v.to_string().contains('/'))
        .fold(Exact::from(1), |s, v| &s * &Exact::from(v.to_ratio().1));
    let number = |v: &Exact| (v * &scale).to_string();
    let relation = if c.strict { "<" } else { "<=" };
    let mut terms: Vec<String> = Vec::with_capacity(c.coefficients.len() + 1);
    for (j, a) in &c.coefficients {
        terms.push(match number(a).as_str() {
            "1" => format!("Y_{j}"),
            "-1" => format!("(- Y_{j})"),
            a => format!("(* {a} Y_{j})"),
        });
    }
    if !c.constant.is_zero() || terms.is_empty() {
        terms.push(number(&c.constant));
    }
    match &terms[..] {
        [only] => format!("({relation} {only} 0)"),
        _ => format!("({relation} (+ {}) 0)", terms.join(" ")),
    }
}
