//! Proves rewrite rules: wherever the condition of a rule holds, its right side has a meaning and
//! the value of the left one.
//!
//! A law is about all integers; a width w bounds what is looked at. Values, constants and the facts
//! `lo` and `hi` are then every number of w bits in two's complement, amounts of shifts and `zeros`
//! every number from 0 to w, with nothing assumed of facts but that they hold. What is computed from
//! them is as wide as it needs to be, so nothing wraps.
//!
//! Each law is proved at every width from 1 to 8 and at 16 and 32. Three things prove it:
//!
//! - a solver, which finds no violation, with amounts of shifts as unknowns like all others;
//! - enumeration of every case, for products of two unknowns, which are hard for solvers;
//! - at 16 and 32 bits, a normal form that both sides share (`identity`). It holds at every
//!   width.
//!
//! A violation counts only after it has been replayed on unbounded integers. What no limit allows
//! to decide is unknown, never proved.

mod cases;
mod identity;
mod number;
mod polynomial;
#[cfg(test)]
mod tests;
mod translate;
mod wide;

use crate::query::Query;
use crate::solver::{Limits, Outcome, Solver};
use ceg4n_opspec::{Binary, Instance, RewriteRule, Sides, Term};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Widths that are looked at exhaustively.
pub const SMALL: RangeInclusive<u32> = 1..=8;
/// Widths that are used in practice.
pub const PRACTICAL: [u32; 2] = [16, 32];

/// Up to where to try. Counts alone, so that a verdict is the same on every machine.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Conflicts of the solver for each width.
    pub conflicts: u64,
    /// Cases that are enumerated for each width.
    pub cases: u64,
    /// Set by another thread to stop: what is not decided is unknown.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            conflicts: 100_000,
            cases: 1 << 25,
            cancel: None,
        }
    }
}

/// What proves a law at a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A solver found no violation.
    Solver,
    /// None of so many cases, which are all, is a violation.
    Cases(u64),
    /// Both sides have one normal form, whatever the width.
    Identity,
}

/// Values for which a law fails, replayed on unbounded integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// The width that they are of.
    pub width: u32,
    /// Names of variables and facts with their values.
    pub entries: Vec<(String, String)>,
    /// The values.
    pub instance: Instance,
    /// Both sides there.
    pub sides: Sides,
}

/// What is known about a law.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It holds at all widths looked at, each with its evidence.
    Proved(Vec<(u32, Evidence)>),
    /// Nothing meets its condition at any width.
    Vacuous,
    /// It fails here.
    Refuted(Box<Counterexample>),
    /// Neither, with the reason.
    Unknown(String),
}

/// What a width says.
enum AtWidth {
    Holds(Evidence),
    Fails(Box<Counterexample>),
    Undecided(String),
}

/// Proves or refutes the law of a rule.
///
/// The solver is asked in the logic of bit vectors. Whatever it cannot do is
/// [`Verdict::Unknown`].
pub fn prove(rule: &RewriteRule, solver: &mut dyn Solver, effort: &Effort) -> Verdict {
    let limits = Limits {
        conflicts: Some(effort.conflicts),
        cancel: effort.cancel.clone(),
        ..Limits::default()
    };
    let mut prover = Prover {
        rule,
        solver,
        limits,
        effort,
    };
    let mut undecided = None;
    match prover.is_vacuous() {
        Ok(true) => return Verdict::Vacuous,
        Ok(false) => {}
        Err(reason) => undecided = Some(reason),
    }
    let identity = identity::is_identity(rule);
    let mut evidence = Vec::new();
    for width in SMALL.chain(PRACTICAL) {
        let found = match PRACTICAL.contains(&width) && identity {
            true => AtWidth::Holds(Evidence::Identity),
            false => prover.at(width),
        };
        match found {
            AtWidth::Holds(by) => evidence.push((width, by)),
            AtWidth::Fails(at) => return Verdict::Refuted(at),
            AtWidth::Undecided(reason) => {
                undecided.get_or_insert_with(|| format!("at {}: {reason}", bits(width)));
            }
        }
    }
    if !identity && let Some(at) = wide::violation(rule) {
        match prover.replayed(wide::WIDTH, at) {
            AtWidth::Fails(at) => return Verdict::Refuted(at),
            AtWidth::Undecided(reason) => undecided = Some(reason),
            AtWidth::Holds(_) => {}
        }
    }
    match undecided {
        None => Verdict::Proved(evidence),
        Some(reason) => Verdict::Unknown(reason),
    }
}

struct Prover<'p> {
    rule: &'p RewriteRule,
    solver: &'p mut dyn Solver,
    limits: Limits,
    effort: &'p Effort,
}

impl Prover<'_> {
    /// Whether nothing meets the condition at any width.
    ///
    /// # Errors
    /// Why that is not known.
    fn is_vacuous(&mut self) -> Result<bool, String> {
        if self.rule.when.is_none() {
            return Ok(false);
        }
        let mut undecided = None;
        for width in SMALL.chain(PRACTICAL) {
            let query = translate::condition(self.rule, width);
            let answer = query.map_err(|e| e.to_string()).and_then(|q| self.ask(&q));
            match answer {
                Ok(None) => {}
                Ok(Some(at)) if at.fits(self.rule) && at.allows(self.rule) => return Ok(false),
                Ok(Some(_)) => {
                    undecided = Some("a model that the exact replay does not confirm".into())
                }
                Err(reason) => undecided = Some(reason),
            }
        }
        match undecided {
            None => Ok(true),
            Some(reason) => Err(format!("whether anything meets the condition: {reason}")),
        }
    }

    fn at(&mut self, width: u32) -> AtWidth {
        if let Some(reason) = self.limits.stop() {
            return AtWidth::Undecided(reason.into());
        }
        let few = SMALL.contains(&width) && cases::count(self.rule, width) <= self.effort.cases;
        if few && multiplies(self.rule) {
            return self.enumerate(width);
        }
        match self.solve(width) {
            AtWidth::Undecided(_) if few => self.enumerate(width),
            found => found,
        }
    }

    fn solve(&mut self, width: u32) -> AtWidth {
        let query = translate::violation(self.rule, width);
        let answer = query.map_err(|e| e.to_string()).and_then(|q| self.ask(&q));
        match answer {
            Ok(None) => AtWidth::Holds(Evidence::Solver),
            Ok(Some(at)) => self.replayed(width, at),
            Err(reason) => AtWidth::Undecided(reason),
        }
    }

    fn enumerate(&self, width: u32) -> AtWidth {
        match cases::enumerate(self.rule, width) {
            Ok(cases::Found::Agree(cases)) => AtWidth::Holds(Evidence::Cases(cases)),
            Ok(cases::Found::Violation(at)) => self.replayed(width, at),
            Err(reason) => AtWidth::Undecided(reason.into()),
        }
    }

    fn replayed(&self, width: u32, instance: Instance) -> AtWidth {
        let sides = instance.sides(self.rule);
        if !instance.fits(self.rule) || !instance.allows(self.rule) || sides.agree() {
            let reason = "a counterexample that the exact replay does not confirm";
            return AtWidth::Undecided(reason.into());
        }
        AtWidth::Fails(Box::new(Counterexample {
            width,
            entries: instance.entries(self.rule),
            instance,
            sides,
        }))
    }

    /// Values that satisfy a query; none if nothing does.
    ///
    /// # Errors
    /// Why the solver does not know.
    fn ask(&mut self, query: &Query) -> Result<Option<Instance>, String> {
        match self.solver.solve(query, &self.limits) {
            Outcome::Unsat => Ok(None),
            Outcome::Unknown(reason) => Err(reason),
            Outcome::Sat(model) => match translate::instance(self.rule, &model) {
                Some(instance) => Ok(Some(instance)),
                None => Err("a model without all variables".into()),
            },
        }
    }
}

/// Whether unknowns are multiplied with each other.
fn multiplies(rule: &RewriteRule) -> bool {
    let mut found = false;
    let mut look = |t: &Term| {
        if let Term::Binary(Binary::Mul, a, b) = t {
            found |= !matches!(**a, Term::Int(_)) && !matches!(**b, Term::Int(_));
        }
    };
    rule.lhs.for_each_part(&mut look);
    rule.rhs.for_each_part(&mut look);
    found
}

fn bits(width: u32) -> String {
    match width {
        1 => "1 bit".into(),
        _ => format!("{width} bits"),
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Solver => f.write_str("SMT"),
            Self::Cases(cases) => write!(f, "{cases} cases"),
            Self::Identity => f.write_str("identity"),
        }
    }
}

impl fmt::Display for Counterexample {
    /// One line: the values, and what each side is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}:", bits(self.width))?;
        for (i, (name, value)) in self.entries.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma} {name} = {value}")?;
        }
        let side = |f: &mut fmt::Formatter<'_>, side: &Result<_, _>| match side {
            Ok(value) => write!(f, "{value}"),
            Err(reason) => write!(f, "without a meaning ({reason})"),
        };
        f.write_str("; the left side is ")?;
        side(f, &self.sides.left)?;
        f.write_str(", the right side ")?;
        side(f, &self.sides.right)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proved(evidence) => {
                f.write_str("proved: ")?;
                for (i, (widths, by)) in grouped(evidence).iter().enumerate() {
                    let gap = if i == 0 { "" } else { "; " };
                    write!(f, "{gap}{} by {by}", widths.join(", "))?;
                }
                Ok(())
            }
            Self::Vacuous => f.write_str("vacuous: nothing meets the condition"),
            Self::Refuted(at) => write!(f, "refuted {at}"),
            Self::Unknown(reason) => write!(f, "unknown {reason}"),
        }
    }
}

/// Widths, neighbours as ranges, with evidence of one kind, the cases added up.
fn grouped(evidence: &[(u32, Evidence)]) -> Vec<(Vec<String>, Evidence)> {
    let mut groups: Vec<(Vec<(u32, u32)>, Evidence)> = Vec::new();
    for (width, by) in evidence {
        let joined = groups.last_mut().and_then(|(ranges, seen)| {
            *seen = match (*seen, *by) {
                (Evidence::Solver, Evidence::Solver) => Evidence::Solver,
                (Evidence::Cases(a), Evidence::Cases(b)) => Evidence::Cases(a.saturating_add(b)),
                (Evidence::Identity, Evidence::Identity) => Evidence::Identity,
                (Evidence::Solver | Evidence::Cases(_) | Evidence::Identity, _) => return None,
            };
            Some(ranges)
        });
        let Some(ranges) = joined else {
            groups.push((vec![(*width, *width)], *by));
            continue;
        };
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *width => *last = *width,
            _ => ranges.push((*width, *width)),
        }
    }
    let text = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}..{last}"),
    };
    let named = groups
        .iter()
        .map(|(ranges, by)| (ranges.iter().map(text).collect(), *by));
    named.collect()
}
