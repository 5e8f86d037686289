//! Names and types of a rule's expressions.

use super::{Fact, Term, Truth, Variable, VariableId, VariableKind};
use crate::ast::Binary;
use crate::parse::{Infix, Raw, RawKind};
use ceg4n_base::codes;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Span};

type Result<T> = std::result::Result<T, Diagnostic>;

/// Amounts of shifts that a left side may look for literally.
const MOST_SHIFT: i64 = 127;

/// Which part of a rule an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Left,
    Right,
    When,
}

/// Resolves the expressions of one rule.
pub(super) struct Resolver<'a> {
    pub(super) variables: &'a PrimaryMap<VariableId, Variable>,
    pub(super) part: Part,
}

impl Resolver<'_> {
    /// A whole side: a number or a truth value.
    pub(super) fn side(&self, raw: &Raw) -> Result<Term> {
        match self.is_truth(raw) {
            true => Ok(Term::Truth(Box::new(self.truth(raw)?))),
            false => self.term(raw),
        }
    }

    fn is_truth(&self, raw: &Raw) -> bool {
        match &raw.kind {
            RawKind::Not(_) | RawKind::Infix(Infix::Cmp(_) | Infix::And | Infix::Or, ..) => true,
            RawKind::Name(name) => self
                .variable(name)
                .is_some_and(|id| self.variables[id].kind == VariableKind::Truth),
            RawKind::Integer(_)
            | RawKind::Element(..)
            | RawKind::Call(..)
            | RawKind::Neg(_)
            | RawKind::Infix(Infix::Arithmetic(_) | Infix::Div, ..)
            | RawKind::Reduce(..)
            | RawKind::Where(..)
            | RawKind::Let(..) => false,
        }
    }

    fn variable(&self, name: &str) -> Option<VariableId> {
        let mut all = self.variables.iter();
        all.find_map(|(id, v)| (v.name == name).then_some(id))
    }

    fn declared(&self, name: &str, span: Span) -> Result<(VariableId, VariableKind)> {
        let id = self.variable(name).ok_or_else(|| {
            let message = format!("there is no variable `{name}`");
            Diagnostic::error(codes::UNKNOWN_NAME, message).at(Some(span), "not declared")
        })?;
        Ok((id, self.variables[id].kind))
    }

    /// A truth value.
    pub(super) fn truth(&self, raw: &Raw) -> Result<Truth> {
        let pair = |a, b| Ok((Box::new(self.truth(a)?), Box::new(self.truth(b)?)));
        match &raw.kind {
            RawKind::Not(a) => Ok(Truth::Not(Box::new(self.truth(a)?))),
            RawKind::Infix(Infix::And, a, b) => pair(a, b).map(|(a, b)| Truth::And(a, b)),
            RawKind::Infix(Infix::Or, a, b) => pair(a, b).map(|(a, b)| Truth::Or(a, b)),
            RawKind::Infix(Infix::Cmp(op), a, b) => {
                Ok(Truth::Cmp(*op, self.term(a)?, self.term(b)?))
            }
            RawKind::Name(name) => match self.declared(name, raw.span)? {
                (id, VariableKind::Truth) => Ok(Truth::Variable(id)),
                (_, VariableKind::Value | VariableKind::Constant | VariableKind::Shift) => Err(
                    mistake(raw.span, "a truth value is needed here", "a number"),
                ),
            },
            RawKind::Integer(_)
            | RawKind::Element(..)
            | RawKind::Call(..)
            | RawKind::Neg(_)
            | RawKind::Infix(Infix::Arithmetic(_) | Infix::Div, ..)
            | RawKind::Reduce(..)
            | RawKind::Where(..)
            | RawKind::Let(..) => Err(mistake(
                raw.span,
                "a truth value is needed here",
                "a number",
            )),
        }
    }

    fn term(&self, raw: &Raw) -> Result<Term> {
        match &raw.kind {
            RawKind::Integer(v) => Ok(Term::Int(*v)),
            RawKind::Name(name) => match self.declared(name, raw.span)? {
                (_, VariableKind::Truth) => Err(mistake(
                    raw.span,
                    "a number is needed here",
                    "a truth value",
                )),
                (id, VariableKind::Value | VariableKind::Constant | VariableKind::Shift) => {
                    Ok(Term::Variable(id))
                }
            },
            RawKind::Neg(a) => Ok(match self.term(a)? {
                Term::Int(v) => Term::Int(-v),
                a => Term::Neg(Box::new(a)),
            }),
            RawKind::Infix(Infix::Arithmetic(op), a, b) => self.binary(*op, a, b),
            RawKind::Infix(Infix::Div, ..) => Err(mistake(
                raw.span,
                "`/` has no meaning over integers",
                "`div(a, b)` is the floor of a quotient of known integers",
            )),
            RawKind::Infix(Infix::Cmp(_) | Infix::And | Infix::Or, ..) | RawKind::Not(_) => {
                Err(mistake(
                    raw.span,
                    "a number is needed here",
                    "a truth value: `select(c, 1, 0)` is it as a number",
                ))
            }
            RawKind::Call(name, arguments) => self.call(name, arguments, raw.span),
            RawKind::Element(..) | RawKind::Reduce(..) | RawKind::Where(..) | RawKind::Let(..) => {
                Err(mistake(raw.span, "a rule has no such form", "here"))
            }
        }
    }

    fn binary(&self, op: Binary, a: &Raw, b: &Raw) -> Result<Term> {
        let (a, b) = (self.term(a)?, self.term(b)?);
        Ok(Term::Binary(op, Box::new(a), Box::new(b)))
    }

    fn call(&self, name: &str, arguments: &[Raw], span: Span) -> Result<Term> {
        if let Some(fact) = Fact::ALL.into_iter().find(|f| f.name() == name) {
            return self.fact(fact, arguments, span);
        }
        let shift = |make: fn(Box<Term>, Box<Term>) -> Term| {
            let [a, s] = exactly(name, arguments, span)?;
            let message = "the amount of a shift must be known";
            Ok(make(
                Box::new(self.term(a)?),
                Box::new(self.known(s, message)?),
            ))
        };
        match name {
            "min" | "max" => {
                let [a, b] = exactly(name, arguments, span)?;
                let op = match name {
                    "min" => Binary::Min,
                    _ => Binary::Max,
                };
                self.binary(op, a, b)
            }
            "shl" => shift(Term::Shl),
            "shr" => shift(Term::Shr),
            "mod_pow2" => shift(Term::ModPow2),
            "div" => {
                let [a, b] = exactly(name, arguments, span)?;
                let message = "only known integers are divided";
                let (a, b) = (self.known(a, message)?, self.known(b, message)?);
                Ok(Term::Div(Box::new(a), Box::new(b)))
            }
            "log2" => {
                let [a] = exactly(name, arguments, span)?;
                let a = self.known(a, "only a known integer has a logarithm")?;
                Ok(Term::Log2(Box::new(a)))
            }
            "select" => {
                let [c, a, b] = exactly(name, arguments, span)?;
                Ok(Term::Select(
                    Box::new(self.truth(c)?),
                    Box::new(self.term(a)?),
                    Box::new(self.term(b)?),
                ))
            }
            _ => {
                let message = format!("there is no function `{name}` in rules");
                Err(Diagnostic::error(codes::UNKNOWN_NAME, message)
                    .at(Some(span), "not known")
                    .help("there are min, max, shl, shr, mod_pow2, select, div, log2, lo, hi and zeros"))
            }
        }
    }

    fn fact(&self, fact: Fact, arguments: &[Raw], span: Span) -> Result<Term> {
        let [of] = exactly(fact.name(), arguments, span)?;
        let RawKind::Name(name) = &of.kind else {
            let message = "facts are about variables";
            return Err(mistake(of.span, message, "not a variable"));
        };
        if self.part == Part::Left {
            let message = format!("`{}` is a fact, and the left side has none", fact.name());
            let help = "facts belong into `when` and the right side";
            return Err(mistake(span, &message, "here").help(help));
        }
        match self.declared(name, of.span)? {
            (id, VariableKind::Value | VariableKind::Constant) => Ok(Term::Fact(fact, id)),
            (_, kind @ (VariableKind::Truth | VariableKind::Shift)) => {
                let message = format!("there are no facts about a {}", kind.as_str());
                Err(mistake(of.span, &message, "here"))
            }
        }
    }

    fn known(&self, raw: &Raw, message: &str) -> Result<Term> {
        let term = self.term(raw)?;
        if !term.is_known(self.variables) {
            let label = "not made of constants, shifts, facts and literals";
            return Err(mistake(raw.span, message, label));
        }
        Ok(term)
    }
}

/// Whether a term can be looked for.
///
/// # Errors
/// A sentence on what cannot be found.
pub(super) fn check_left(
    term: &Term,
    variables: &PrimaryMap<VariableId, Variable>,
) -> std::result::Result<(), String> {
    match term {
        Term::Variable(_) => Err("a lone variable would match everything".into()),
        Term::Truth(c) if matches!(**c, Truth::Variable(_)) => {
            Err("a lone variable would match everything".into())
        }
        _ if term.is_known(variables) => Err("a known integer needs no rule".into()),
        _ => check_pattern(term, variables),
    }
}

fn check_pattern(
    term: &Term,
    variables: &PrimaryMap<VariableId, Variable>,
) -> std::result::Result<(), String> {
    let inner = |t: &Term| check_pattern(t, variables);
    match term {
        Term::Variable(_) | Term::Int(_) => Ok(()),
        Term::Fact(..) => Err("a fact cannot be looked for".into()),
        _ if term.is_known(variables) => {
            Err("a known integer that is computed cannot be looked for".into())
        }
        Term::Neg(a) | Term::Log2(a) => inner(a),
        Term::Binary(_, a, b) | Term::Div(a, b) => inner(a).and_then(|()| inner(b)),
        Term::Shl(a, s) | Term::Shr(a, s) | Term::ModPow2(a, s) => {
            match **s {
                Term::Variable(v) if variables[v].kind == VariableKind::Shift => {}
                Term::Int(0..=MOST_SHIFT) => {}
                _ => {
                    return Err(format!(
                        "an amount that is looked for is a variable of the kind shift, or 0 to \
                         {MOST_SHIFT}"
                    ));
                }
            }
            inner(a)
        }
        Term::Select(c, a, b) => {
            check_truth(c, variables)?;
            inner(a).and_then(|()| inner(b))
        }
        Term::Truth(c) => check_truth(c, variables),
    }
}

fn check_truth(
    truth: &Truth,
    variables: &PrimaryMap<VariableId, Variable>,
) -> std::result::Result<(), String> {
    match truth {
        Truth::Variable(_) => Ok(()),
        Truth::Cmp(_, a, b) => {
            if truth.is_known(variables) {
                return Err("a truth value that is known cannot be looked for".into());
            }
            check_pattern(a, variables).and_then(|()| check_pattern(b, variables))
        }
        Truth::Not(a) => check_truth(a, variables),
        Truth::And(a, b) | Truth::Or(a, b) => {
            check_truth(a, variables).and_then(|()| check_truth(b, variables))
        }
    }
}

fn exactly<'r, const N: usize>(
    name: &str,
    arguments: &'r [Raw],
    span: Span,
) -> Result<[&'r Raw; N]> {
    let all: Vec<&Raw> = arguments.iter().collect();
    <[&Raw; N]>::try_from(all).map_err(|all| {
        let message = format!("`{name}` takes {N} arguments, not {}", all.len());
        mistake(span, &message, "here")
    })
}

fn mistake(span: Span, message: &str, label: &str) -> Diagnostic {
    Diagnostic::error(codes::SPEC, message).at(Some(span), label)
}
