//! Proves rewrite rules: both sides are equal wherever the condition holds.
mod identity;
mod number;
mod polynomial;
mod translate;

use crate::solver::{Limits, Outcome, Solver};
use ceg4n_opspec::RewriteRule;

/// Probe.
pub fn probe(rule: &RewriteRule, width: u32, solver: &mut dyn Solver, limits: &Limits) -> String {
    let q = match translate::violation(rule, width) {
        Ok(q) => q,
        Err(e) => return format!("unknown {e}"),
    };
    match solver.solve(&q, limits) {
        Outcome::Sat(m) => match translate::instance(rule, &m) {
            Some(i) => format!(
                "sat {:?} {} {:?}",
                i.entries(rule),
                i.fits(rule) && i.allows(rule),
                i.sides(rule)
            ),
            None => "no model".into(),
        },
        Outcome::Unsat => "unsat".into(),
        Outcome::Unknown(r) => format!("unknown {r}"),
    }
}

/// Probe.
pub fn probe_condition(
    rule: &RewriteRule,
    width: u32,
    solver: &mut dyn Solver,
    limits: &Limits,
) -> String {
    let q = match translate::condition(rule, width) {
        Ok(q) => q,
        Err(e) => return format!("unknown {e}"),
    };
    match solver.solve(&q, limits) {
        Outcome::Sat(m) => match translate::instance(rule, &m) {
            Some(i) => format!("sat {}", i.fits(rule) && i.allows(rule)),
            None => "no model".into(),
        },
        Outcome::Unsat => "unsat".into(),
        Outcome::Unknown(r) => format!("unknown {r}"),
    }
}

/// Probe.
pub fn identity(rule: &RewriteRule) -> bool {
    identity::is_identity(rule)
}
