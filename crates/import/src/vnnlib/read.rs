//! Commands to declarations and formulas.

use super::cases::{Assertions, DemandId, Formula, MAX_CASES, TooMany, parts as to_parts};
use super::grammar::{Place, Rule, command, commands, parts};
use super::linear::{Comparisons, Demand, Variable};
use super::{Declared, Query};
use ceg4n_base::{Diagnostic, Diagnostics, Location, SourceId, Span, codes};
use pest::iterators::Pair;
use std::collections::BTreeMap;

/// So many diagnostics are returned; the rest is only counted.
const MAX_DIAGNOSTICS: usize = 20;

/// Reads a whole text.
pub(super) fn query(source: SourceId, text: &str) -> Result<Query, Diagnostics> {
    let mut reader = Reader::default();
    let ranges = commands(source, text, &mut reader.errors);
    for range in ranges {
        let place = Place {
            source,
            base: range.start,
        };
        let body = &text[range];
        match command(body, place) {
            Ok(pairs) => {
                for pair in pairs.flat_map(parts) {
                    reader.command(pair, place);
                }
            }
            Err(d) => {
                reader.broken |= body.contains("declare");
                reader.errors.push(d);
            }
        }
        if reader.newer {
            break;
        }
    }
    reader.finish(source)
}

#[derive(Default)]
struct Reader {
    errors: Vec<Diagnostic>,
    declared: BTreeMap<Variable, Span>,
    /// A declaration is broken: unknown variables are not reported.
    broken: bool,
    /// The file is in version 2.
    newer: bool,
    demands: Vec<(Demand, Span)>,
    assertions: Assertions,
}

impl Reader {
    fn command(&mut self, pair: Pair<'_, Rule>, place: Place) {
        match pair.as_rule() {
            Rule::declare_const | Rule::declare_fun => {
                for variable in parts(pair) {
                    self.declare(&variable, place);
                }
            }
            Rule::assert => {
                let span = place.of(&pair);
                for formula in parts(pair) {
                    self.assertion(formula, place, span);
                }
            }
            Rule::newer => {
                let message = "here a query of VNN-LIB 1 is expected";
                let d = Diagnostic::error(codes::QUERY, message);
                self.errors.push(
                    d.at(Some(place.of(&pair)), "this is VNN-LIB 2")
                        .help("`ceg4nc verify QUERY.vnnlib --network NAME=FILE` decides it"),
                );
                self.newer = true;
            }
            _ => {}
        }
    }

    fn declare(&mut self, pair: &Pair<'_, Rule>, place: Place) {
        let span = place.of(pair);
        let Some(variable) = variable(pair.as_str()) else {
            let message = format!("{} is no variable of a query", pair.as_str());
            let d = Diagnostic::error(codes::UNKNOWN_NAME, message);
            self.errors.push(d.at(Some(span), "indices are 0, 1, 2, …"));
            self.broken = true;
            return;
        };
        if let Some(first) = self.declared.insert(variable, span) {
            let message = format!("{} is declared twice", pair.as_str());
            self.errors.push(
                Diagnostic::error(codes::DUPLICATE_NAME, message)
                    .at(Some(span), "second declaration")
                    .related(Some(first), "first declaration"),
            );
        }
    }

    fn assertion(&mut self, formula: Pair<'_, Rule>, place: Place, span: Span) {
        let declared = &self.declared;
        let broken = self.broken;
        let look_up = |name: &str| variable(name).filter(|v| broken || declared.contains_key(v));
        let mut formulas = Formulas {
            comparisons: Comparisons {
                place,
                declared: &look_up,
            },
            demands: &mut self.demands,
            errors: &mut self.errors,
        };
        let formula = formulas.formula(formula);
        if !self.errors.is_empty() {
            return;
        }
        if let Err(TooMany) = self.assertions.add(&formula) {
            let message = format!("multiplied out, the query has more than {MAX_CASES} cases");
            let d = Diagnostic::error(codes::QUERY, message);
            self.errors.push(
                d.at(Some(span), "with this assertion")
                    .help("split the query into several files"),
            );
        }
    }

    fn finish(mut self, source: SourceId) -> Result<Query, Diagnostics> {
        let mut spans = Declared::default();
        for (v, span) in &self.declared {
            let (list, index, letter) = match v {
                Variable::Input(i) => (&mut spans.inputs, *i, 'X'),
                Variable::Output(j) => (&mut spans.outputs, *j, 'Y'),
            };
            if index != list.len() && !self.broken {
                let message = format!("{letter}_{} is not declared", list.len());
                let d = Diagnostic::error(codes::UNKNOWN_NAME, message);
                self.errors
                    .push(d.at(Some(*span), "indices count from 0 without a gap"));
                self.broken = true;
            }
            list.push(*span);
        }
        if self.declared.is_empty() && self.errors.is_empty() {
            let d = Diagnostic::error(codes::SYNTAX, "the file declares no variable");
            self.errors.push(
                d.at(Some(Span::new(source, 0..0)), "")
                    .help("a VNN-LIB query declares inputs X_i and outputs Y_j"),
            );
        }
        if !self.errors.is_empty() {
            return Err(sorted(self.errors));
        }
        let parts = to_parts(&self.assertions, &self.demands, spans.inputs.len())?;
        let is_output = |(d, _): &(Demand, Span)| matches!(d, Demand::Output(_));
        let is_input =
            |(d, _): &(Demand, Span)| matches!(d, Demand::AtLeast(..) | Demand::AtMost(..));
        Ok(Query {
            source,
            bounds_inputs: self.demands.iter().any(is_input),
            constrains_outputs: self.demands.iter().any(is_output),
            declared: spans,
            parts,
        })
    }
}

/// Reads the formulas of one command.
struct Formulas<'a> {
    comparisons: Comparisons<'a>,
    demands: &'a mut Vec<(Demand, Span)>,
    errors: &'a mut Vec<Diagnostic>,
}

impl Formulas<'_> {
    /// Recurses as deep as parentheses nest, which is limited. What is wrong is kept among the
    /// errors.
    fn formula(&mut self, pair: Pair<'_, Rule>) -> Formula {
        let mut all = Vec::new();
        for inner in parts(pair) {
            all.push(match inner.as_rule() {
                Rule::conjunction => Formula::All(parts(inner).map(|f| self.formula(f)).collect()),
                Rule::disjunction => Formula::Any(parts(inner).map(|f| self.formula(f)).collect()),
                _ => self.comparison(inner),
            });
        }
        match all.len() {
            1 => all.remove(0),
            _ => Formula::All(all),
        }
    }

    fn comparison(&mut self, pair: Pair<'_, Rule>) -> Formula {
        match self.comparisons.read(pair) {
            Ok(demands) => {
                let first = self.demands.len();
                self.demands.extend(demands);
                let ids = first..self.demands.len();
                // A text of 4 G comparisons is beyond what is read.
                Formula::All(ids.map(|i| Formula::One(i as DemandId)).collect())
            }
            Err(d) => {
                self.errors.push(d);
                Formula::All(Vec::new())
            }
        }
    }
}

/// `X_3` or `Y_0`; `None` for an index beyond what a file can declare, or with a leading zero.
fn variable(name: &str) -> Option<Variable> {
    let (letter, digits) = name.split_once('_')?;
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    let index = digits.parse().ok()?;
    match letter {
        "X" => Some(Variable::Input(index)),
        _ => Some(Variable::Output(index)),
    }
}

/// In the order of the text, not too many.
pub(crate) fn sorted(mut errors: Vec<Diagnostic>) -> Diagnostics {
    errors.sort_by_key(|d| match d.location {
        Location::Span(s) => s.start,
        Location::Place(_) | Location::None => u32::MAX,
    });
    if let Some(more) = errors.len().checked_sub(MAX_DIAGNOSTICS).filter(|m| *m > 0) {
        errors.truncate(MAX_DIAGNOSTICS);
        let message = format!("{more} more errors are not shown");
        errors.push(Diagnostic::error(codes::SYNTAX, message));
    }
    Diagnostics(errors)
}
