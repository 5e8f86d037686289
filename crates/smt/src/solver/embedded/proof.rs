//! What the embedded solver leaves behind for a checker: the formula, and its refutation as LRAT.
//!
//! LRAT (Cruz-Filipe, Heule, Hunt, Kaufmann, Schneider-Kamp, "Efficient certified RAT
//! verification", CADE 2017) gives each learnt clause with the clauses that yield it by unit
//! propagation, in order, so that a checker needs no search. Only such steps are written; the
//! solver runs without techniques that need others.

use super::blast::Formula;
use super::cnf::Lit;
use crate::query::Query;
use crate::solver::Limits;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Write;

/// Bytes of a refutation without a limit of its caller.
const MOST_BYTES: u64 = 1 << 30;

/// A query as clauses: satisfiable exactly if the query is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clauses {
    /// Variables are numbered from 1 to this.
    pub variables: u32,
    /// DIMACS literals, each clause ended by 0.
    pub literals: Vec<i32>,
    /// By name, the literals of the bits of each variable of the query that matters, lowest
    /// first; other variables of the query may have any value.
    pub inputs: Vec<(String, Vec<i32>)>,
}

impl Clauses {
    pub(super) fn new(query: &Query, formula: &Formula) -> Self {
        let name = |t| query.definition(t).ok().and_then(|d| d.name.clone());
        let number = |bits: &[Lit]| bits.iter().map(|l| l.dimacs()).collect();
        Self {
            variables: formula.cnf.variables(),
            literals: formula.cnf.clauses().to_vec(),
            inputs: formula
                .variables
                .iter()
                .map(|(t, bits)| (name(*t).unwrap_or_default(), number(bits)))
                .collect(),
        }
    }

    /// The clauses, without their zeros. The first has number 1 in a refutation.
    pub fn iter(&self) -> impl Iterator<Item = &[i32]> {
        let ended = self.literals.strip_suffix(&[0]);
        let none = self.literals.is_empty();
        ended
            .unwrap_or(&self.literals)
            .split(|l| *l == 0)
            .filter(move |_| !none)
    }

    /// The DIMACS file, which any SAT solver and checker reads.
    pub fn to_dimacs(&self) -> String {
        let mut text = format!("p cnf {} {}\n", self.variables, self.iter().count());
        for clause in self.iter() {
            for l in clause {
                // Writing to a string does not fail.
                let _ = write!(text, "{l} ");
            }
            text.push_str("0\n");
        }
        text
    }
}

/// Why a query has no solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The query as clauses.
    pub clauses: Clauses,
    /// Their refutation as LRAT text: a line `NUMBER LITERALS 0 HINTS 0` adds a clause, a line
    /// `NUMBER d NUMBERS 0` deletes some. The clause without literals is the last.
    pub lrat: String,
}

/// The refutation of clauses one of which, of this number, is empty.
pub(super) fn of_empty_clause(clauses: &Clauses) -> Option<String> {
    let empty = clauses.iter().position(<[i32]>::is_empty)? + 1;
    Some(format!("{} 0 {empty} 0\n", clauses.iter().count() + 1))
}

/// Writes what a SAT solver reports as LRAT, numbering clauses from 1.
#[derive(Debug)]
pub(super) struct Recorder {
    text: String,
    /// By the solver's number, ours.
    numbers: HashMap<i64, u64>,
    last: u64,
    most: u64,
    /// Too long, or not of steps that LRAT by unit propagation has.
    lost: bool,
    complete: bool,
}

#[cfg_attr(
    not(feature = "cadical"),
    expect(dead_code, reason = "used by the SAT solver alone")
)]
impl Recorder {
    pub(super) fn new(limits: &Limits) -> Self {
        let by_memory = limits.memory_mib.map(|mib| mib.saturating_mul(1 << 20));
        Self {
            text: String::new(),
            numbers: HashMap::new(),
            last: 0,
            most: by_memory.map_or(MOST_BYTES, |m| m.min(MOST_BYTES)),
            lost: false,
            complete: false,
        }
    }

    fn next(&mut self, id: i64) -> u64 {
        self.last += 1;
        self.numbers.insert(id, self.last);
        self.last
    }

    /// A clause of the formula. They come in its order, but not all before the first step.
    pub(super) fn original(&mut self, id: i64, number: u64) {
        self.numbers.insert(id, number);
    }

    /// The number of the clauses of the formula: steps are numbered behind them.
    pub(super) fn start_after(&mut self, originals: u64) {
        self.last = originals;
    }

    /// A learnt clause; `plain` if unit propagation of the hints yields it.
    pub(super) fn derived(&mut self, id: i64, clause: &[i32], hints: &[i64], plain: bool) {
        if self.lost || self.complete {
            return;
        }
        let number = self.next(id);
        // Writing to a string does not fail.
        let _ = write!(self.text, "{number} ");
        for l in clause {
            let _ = write!(self.text, "{l} ");
        }
        self.text.push('0');
        for hint in hints {
            match self.numbers.get(hint) {
                Some(n) => {
                    let _ = write!(self.text, " {n}");
                }
                None => self.lost = true,
            }
        }
        self.text.push_str(" 0\n");
        self.complete = clause.is_empty();
        self.lost |= !plain || self.text.len() as u64 > self.most;
    }

    /// A clause that no later hint names.
    pub(super) fn deleted(&mut self, id: i64) {
        if self.lost || self.complete {
            return;
        }
        if let Some(n) = self.numbers.remove(&id) {
            let _ = writeln!(self.text, "{} d {n} 0", self.last);
        }
    }

    /// The refutation, if there is a whole one.
    pub(super) fn finish(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.text);
        (self.complete && !self.lost).then_some(text)
    }
}
