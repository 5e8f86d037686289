//! The embedded solver: own bit-blaster and CaDiCaL, in this process.
//!
//! It speaks SMT-LIB commands like a process does: [`EmbeddedBackend`] reads them into a query of
//! its own, so what is solved is what the script says.

mod blast;
mod cnf;
mod proof;
mod sat;
mod sum;

use super::dialogue::print_values;
use super::{LONGEST, Limits, Outcome, Solver, solve_on};
use crate::model::{Model, Value};
use crate::query::Query;
use crate::read::Reader;
use crate::term::{Op, Sort, TermId};
use proof::Recorder;
pub use proof::{Clauses, Proof};
use sat::Sat;
use smtlib_lowlevel::Error;
use smtlib_lowlevel::ast::{
    Command, Identifier, InfoFlag, Option as SmtOption, QualIdentifier, Term,
};
use smtlib_lowlevel::backend::Backend;

/// Name and version of the SAT solver; `None` if it is not built in.
pub(super) fn version() -> Option<String> {
    sat::version()
}

/// The embedded solver.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddedSolver;

impl Solver for EmbeddedSolver {
    fn name(&self) -> String {
        "embedded".into()
    }

    fn solve(&mut self, query: &Query, limits: &Limits) -> Outcome {
        solve_on(&mut EmbeddedBackend::new(limits.clone()), query)
    }
}

/// What the last `check-sat` said.
#[derive(Debug)]
enum Verdict {
    None,
    Sat(Model),
    Unsat,
    Unknown(String),
}

/// The embedded solver behind smtlib-lowlevel's [`Backend`]: declarations, definitions without
/// parameters, `assert`, `check-sat`, `get-value` of variables, `(get-info :reason-unknown)`.
///
/// Each `check-sat` starts afresh; there is no `push`. After an `(error …)` every `check-sat`
/// answers `unknown`: part of the question is missing.
#[derive(Debug)]
pub struct EmbeddedBackend {
    limits: Limits,
    reader: Reader,
    verdict: Verdict,
    damaged: bool,
}

impl EmbeddedBackend {
    /// A solver that knows nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            reader: Reader::default(),
            verdict: Verdict::None,
            damaged: false,
        }
    }

    fn check(&mut self) -> &'static str {
        self.verdict = if self.damaged {
            Verdict::Unknown("a command before the question was refused".into())
        } else {
            check(self.reader.query(), &self.limits.clone().within(LONGEST))
        };
        match self.verdict {
            Verdict::Sat(_) => "sat",
            Verdict::Unsat => "unsat",
            Verdict::Unknown(_) | Verdict::None => "unknown",
        }
    }

    fn values(&self, terms: &[&Term]) -> Result<String, String> {
        let Verdict::Sat(model) = &self.verdict else {
            return Err("there is no model".into());
        };
        let mut values = Vec::with_capacity(terms.len());
        for term in terms {
            let name = match term {
                Term::Identifier(QualIdentifier::Identifier(Identifier::Simple(name))) => name.0,
                _ => return Err("only variables have values here".into()),
            };
            let value = model
                .get(name)
                .ok_or_else(|| format!("`{name}` is no variable"))?;
            values.push((name, value));
        }
        Ok(print_values(&values))
    }

    fn answer(&mut self, command: &Command) -> Result<String, String> {
        match command {
            Command::CheckSat => Ok(self.check().to_owned()),
            Command::GetValue(terms) => self.values(terms),
            Command::GetInfo(InfoFlag::ReasonUnknown) => match &self.verdict {
                Verdict::Unknown(reason) => Ok(format!(
                    "(:reason-unknown \"{}\")",
                    reason.replace('"', "'")
                )),
                _ => Err("the answer is not `unknown`".into()),
            },
            Command::SetOption(SmtOption::PrintSuccess(true) | SmtOption::ProduceModels(_))
            | Command::SetInfo(_)
            | Command::Exit => Ok("success".into()),
            other => {
                self.verdict = Verdict::None;
                match self.reader.command(other) {
                    Ok(()) => Ok("success".into()),
                    Err(e) => {
                        self.damaged = true;
                        Err(e.to_string())
                    }
                }
            }
        }
    }
}

impl Backend for EmbeddedBackend {
    fn exec(&mut self, command: Command) -> Result<String, Error> {
        match self.answer(&command) {
            Ok(answer) => Ok(answer),
            Err(reason) => Ok(format!("(error \"{}\")", reason.replace('"', "'"))),
        }
    }
}

/// A query as clauses, without solving it.
///
/// # Errors
/// The limit that was reached; integers.
pub fn clauses(query: &Query, limits: &Limits) -> Result<Clauses, String> {
    blast::blast(query, limits).map(|formula| Clauses::new(query, &formula))
}

/// Answers a query about bit vectors as the embedded solver does, and leaves for `Unsat` a proof
/// that others can check.
///
/// There is no proof beside `Unsat` if it would take more than the memory limit, or 1 GiB.
pub fn prove(query: &Query, limits: &Limits) -> (Outcome, Option<Proof>) {
    let limits = limits.clone().within(LONGEST);
    let formula = match blast::blast(query, &limits) {
        Ok(formula) => formula,
        Err(reason) => return (Outcome::Unknown(reason), None),
    };
    let clauses = Clauses::new(query, &formula);
    if formula.cnf.is_contradiction() && version().is_some() {
        let lrat = proof::of_empty_clause(&clauses);
        return (Outcome::Unsat, lrat.map(|lrat| Proof { clauses, lrat }));
    }
    match sat::solve(&formula, &limits, Some(Recorder::new(&limits))) {
        (Sat::Unsatisfiable, lrat) => (Outcome::Unsat, lrat.map(|lrat| Proof { clauses, lrat })),
        (Sat::Unknown(reason), _) => (Outcome::Unknown(reason), None),
        (Sat::Satisfiable(values), _) => {
            let model = model(query, &formula.variables, &values);
            let outcome = match query.holds(&model) {
                Ok(true) => Outcome::Sat(model),
                Ok(false) => Outcome::Unknown("the model does not satisfy the query".into()),
                Err(e) => Outcome::Unknown(e.to_string()),
            };
            (outcome, None)
        }
    }
}

fn check(query: &Query, limits: &Limits) -> Verdict {
    let formula = match blast::blast(query, limits) {
        Ok(formula) => formula,
        Err(reason) => return Verdict::Unknown(reason),
    };
    if formula.cnf.is_contradiction() && version().is_some() {
        return Verdict::Unsat;
    }
    match sat::solve(&formula, limits, None).0 {
        Sat::Unsatisfiable => Verdict::Unsat,
        Sat::Unknown(reason) => Verdict::Unknown(reason),
        Sat::Satisfiable(values) => Verdict::Sat(model(query, &formula.variables, &values)),
    }
}

/// The values of the query's variables; zero for one that does not matter.
fn model(query: &Query, variables: &[(TermId, Vec<cnf::Lit>)], values: &[bool]) -> Model {
    let mut model = Model::default();
    let zero = |sort| match sort {
        Sort::Bool => Value::Bool(false),
        Sort::Int => Value::Int(0),
        Sort::Bits(width) => Value::bits(0, width),
    };
    for (name, sort) in query.variables() {
        model.insert(name, zero(sort));
    }
    for (t, literals) in variables {
        let Ok(d) = query.definition(*t) else {
            continue;
        };
        debug_assert!(d.op == Op::Var);
        let mut bits = 0u128;
        for (i, l) in literals.iter().enumerate() {
            let index = (l.variable() as usize).wrapping_sub(1);
            let value = values.get(index).is_some_and(|v| *v != l.is_negative());
            bits |= u128::from(value) << i;
        }
        let value = match d.sort {
            Sort::Bool => Value::Bool(bits == 1),
            Sort::Int => Value::Int(bits.cast_signed()),
            Sort::Bits(width) => Value::Bits { bits, width },
        };
        model.insert(d.name.clone().unwrap_or_default(), value);
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use smtlib_lowlevel::Storage;
    use smtlib_lowlevel::ast::Script;

    /// The answers to a script.
    fn run(text: &str) -> Vec<String> {
        let st = Storage::new();
        let script = Script::parse(&st, text).unwrap();
        let mut backend = EmbeddedBackend::new(Limits::default());
        let answer = |c: &Command| backend.exec(*c).unwrap();
        script.0.iter().map(answer).collect()
    }

    #[cfg(feature = "cadical")]
    #[test]
    fn answers_like_a_solver() {
        let text = "(set-logic QF_BV)(declare-const x (_ BitVec 3))(assert (bvult #b101 x))\
            (assert (= ((_ extract 0 0) x) #b1))(check-sat)(get-value (x))\
            (assert (not (= x #b111)))(check-sat)(get-value (x))(push 1)(check-sat)\
            (get-info :reason-unknown)";
        assert_eq!(
            run(text)[4..],
            [
                "sat",
                "((x #b111))",
                "success",
                "unsat",
                "(error \"there is no model\")",
                "(error \"`(push 1)` is not supported\")",
                "unknown",
                "(:reason-unknown \"a command before the question was refused\")",
            ]
        );
    }

    #[cfg(not(feature = "cadical"))]
    #[test]
    fn without_the_solver_nothing_is_known() {
        let text = "(assert false)(check-sat)(get-info :reason-unknown)";
        assert_eq!(
            run(text),
            [
                "success",
                "unknown",
                "(:reason-unknown \"built without the embedded solver\")"
            ]
        );
    }
}
