//! Laws that are identities of arithmetic: both sides have one normal form, at every width.
//!
//! The side condition takes part as substitutions: `s >= t` makes s a sum t + d of natural numbers,
//! `a == e` puts e in the place of the constant a, and a value with known zero bits is a multiple
//! of a power of two. What is left of a condition is not used, so that more is proved than asked.

use super::polynomial::{Atom, Exponent, ExponentAtom, Polynomial};
use ceg4n_opspec::{Binary, Cmp, Fact, RewriteRule, Term, Truth, VariableId, VariableKind};
use num_bigint::BigInt;
use num_traits::One;
use std::collections::BTreeMap;

/// Cases that are distinguished inside each other, one for each `min` or `max` of exponents.
const DEEPEST: usize = 4;

/// Whether both sides have one normal form wherever the condition holds, and every shift of them
/// an amount that is seen to be natural there.
pub(super) fn is_identity(rule: &RewriteRule) -> bool {
    let mut algebra = Algebra {
        rule,
        replacements: Vec::new(),
        constants: BTreeMap::new(),
        names: 0,
    };
    let mut parts = Vec::new();
    if let Some(when) = &rule.when {
        conjuncts(when, &mut parts);
    }
    for part in &parts {
        // A part that no substitution says is left out.
        let _ = algebra.learn(part);
    }
    algebra.holds(0)
}

fn conjuncts<'t>(truth: &'t Truth, parts: &mut Vec<&'t Truth>) {
    match truth {
        Truth::And(a, b) => {
            conjuncts(a, parts);
            conjuncts(b, parts);
        }
        Truth::Cmp(..) | Truth::Not(_) | Truth::Or(..) | Truth::Variable(_) => parts.push(truth),
    }
}

/// Why there is no normal form.
enum Stop {
    /// A form that this has no rule for.
    Form,
    /// It depends on whether this exponent is natural.
    Case(Exponent),
}

type Result<T> = std::result::Result<T, Stop>;

fn known<T>(v: Option<T>) -> Result<T> {
    v.ok_or(Stop::Form)
}

#[derive(Clone)]
struct Algebra<'r> {
    rule: &'r RewriteRule,
    /// What stands for atoms of exponents, to be put in one after the other.
    replacements: Vec<(ExponentAtom, Exponent)>,
    /// What stands for constants.
    constants: BTreeMap<VariableId, Polynomial>,
    /// Natural numbers that were introduced.
    names: usize,
}

impl Algebra<'_> {
    fn holds(&self, depth: usize) -> bool {
        let sides = self
            .polynomial(&self.rule.lhs)
            .and_then(|left| Ok((left, self.polynomial(&self.rule.rhs)?)));
        match sides {
            Ok((left, right)) => left == right,
            Err(Stop::Form) => false,
            Err(Stop::Case(_)) if depth == DEEPEST => false,
            Err(Stop::Case(difference)) => {
                // Of d and -d one is natural.
                let Some(opposite) = Exponent::default().plus(&difference, -1) else {
                    return false;
                };
                [difference, opposite].iter().all(|d| {
                    let mut case = self.clone();
                    case.assume_natural(d).is_ok() && case.holds(depth + 1)
                })
            }
        }
    }

    /// Takes part of the condition as a substitution, if it can be one.
    fn learn(&mut self, truth: &Truth) -> Result<()> {
        let Truth::Cmp(op, a, b) = truth else {
            return Err(Stop::Form);
        };
        if *op == Cmp::Eq {
            return self
                .learn_constant(a, b)
                .or_else(|_| self.learn_constant(b, a));
        }
        let (a, b) = (self.exponent(a)?, self.exponent(b)?);
        let difference = match op {
            Cmp::Ge => a.plus(&b, -1),
            Cmp::Le => b.plus(&a, -1),
            Cmp::Gt => a
                .plus(&b, -1)
                .and_then(|d| d.plus(&Exponent::constant(1), -1)),
            Cmp::Lt => b
                .plus(&a, -1)
                .and_then(|d| d.plus(&Exponent::constant(1), -1)),
            Cmp::Eq | Cmp::Ne => None,
        };
        self.assume_natural(&known(difference)?)
    }

    fn learn_constant(&mut self, constant: &Term, value: &Term) -> Result<()> {
        let Term::Variable(v) = constant else {
            return Err(Stop::Form);
        };
        let mut inside = false;
        value.for_each_part(&mut |t| inside |= *t == Term::Variable(*v));
        let is_constant = self.rule.variables[*v].kind == VariableKind::Constant;
        if !is_constant || inside || self.constants.contains_key(v) {
            return Err(Stop::Form);
        }
        let value = self.polynomial(value)?;
        self.constants.insert(*v, value);
        Ok(())
    }

    /// Substitutes so that an exponent is natural: one of its atoms becomes what it must be.
    fn assume_natural(&mut self, difference: &Exponent) -> Result<()> {
        if difference.is_natural() {
            return Ok(());
        }
        // u - v >= 0 makes the atom u the sum of v and a natural number.
        let atom = difference.terms.iter().find(|(_, c)| **c == 1);
        let (atom, _) = known(atom)?;
        let rest = known(difference.plus(&Exponent::atom(atom.clone()), -1))?;
        let slack = Exponent::atom(ExponentAtom(format!("natural {}", self.names)));
        self.names += 1;
        let value = known(slack.plus(&rest, -1))?;
        self.replacements.push((atom.clone(), value));
        Ok(())
    }

    /// A known integer that is an amount or a fact about one.
    fn exponent(&self, term: &Term) -> Result<Exponent> {
        let atom = |name: String| {
            let exponent = Exponent::atom(ExponentAtom(name));
            known(exponent.under(&self.replacements))
        };
        match term {
            Term::Variable(v) => match self.rule.variables[*v].kind {
                VariableKind::Shift => atom(format!("shift {v}")),
                VariableKind::Value | VariableKind::Truth | VariableKind::Constant => {
                    Err(Stop::Form)
                }
            },
            Term::Int(v) => Ok(Exponent::constant(*v)),
            Term::Fact(Fact::Zeros, v) => atom(format!("zeros {v}")),
            Term::Neg(a) => known(Exponent::default().plus(&self.exponent(a)?, -1)),
            Term::Binary(op, a, b) => {
                let (a, b) = (self.exponent(a)?, self.exponent(b)?);
                let difference = known(a.plus(&b, -1))?;
                let opposite = known(b.plus(&a, -1))?;
                match op {
                    Binary::Add => known(a.plus(&b, 1)),
                    Binary::Sub => Ok(difference),
                    Binary::Mul => Err(Stop::Form),
                    Binary::Max if difference.is_natural() => Ok(a),
                    Binary::Min if difference.is_natural() => Ok(b),
                    Binary::Max if opposite.is_natural() => Ok(b),
                    Binary::Min if opposite.is_natural() => Ok(a),
                    Binary::Max | Binary::Min => Err(Stop::Case(difference)),
                }
            }
            Term::Log2(a) if self.is_positive(a) => atom(format!("log2 {a:?}")),
            Term::Log2(_)
            | Term::Fact(Fact::Lo | Fact::Hi, _)
            | Term::Div(..)
            | Term::Shl(..)
            | Term::Shr(..)
            | Term::ModPow2(..)
            | Term::Select(..)
            | Term::Truth(_) => Err(Stop::Form),
        }
    }

    /// Whether the condition says that a term is positive, in these words.
    fn is_positive(&self, term: &Term) -> bool {
        let mut parts = Vec::new();
        if let Some(when) = &self.rule.when {
            conjuncts(when, &mut parts);
        }
        parts.iter().any(|part| match part {
            Truth::Cmp(Cmp::Gt, a, Term::Int(least)) => a == term && *least >= 0,
            Truth::Cmp(Cmp::Ge, a, Term::Int(least)) => a == term && *least >= 1,
            Truth::Cmp(..)
            | Truth::Not(_)
            | Truth::And(..)
            | Truth::Or(..)
            | Truth::Variable(_) => false,
        })
    }

    /// The amount of a shift, which must be seen to be natural.
    fn amount(&self, term: &Term) -> Result<Exponent> {
        let amount = self.exponent(term)?;
        match amount.is_natural() {
            true => Ok(amount),
            false => Err(Stop::Form),
        }
    }

    fn variable(&self, v: VariableId) -> Result<Polynomial> {
        if let Some(value) = self.constants.get(&v) {
            return Ok(value.clone());
        }
        let atom = Polynomial::atom(Atom::Any(v.to_string()));
        match self.rule.variables[v].kind {
            VariableKind::Value | VariableKind::Constant => {}
            VariableKind::Truth | VariableKind::Shift => return Err(Stop::Form),
        }
        match self.rule.facts().contains(&(Fact::Zeros, v)) {
            true => known(atom.shifted(&self.exponent(&Term::Fact(Fact::Zeros, v))?)),
            false => Ok(atom),
        }
    }

    fn polynomial(&self, term: &Term) -> Result<Polynomial> {
        let one = BigInt::one();
        match term {
            Term::Variable(v) => self.variable(*v),
            Term::Int(v) => Ok(Polynomial::constant((*v).into())),
            Term::Neg(a) => known(Polynomial::default().plus(&self.polynomial(a)?, &-one)),
            Term::Binary(op, a, b) => {
                let (a, b) = (self.polynomial(a)?, self.polynomial(b)?);
                match op {
                    Binary::Add => known(a.plus(&b, &one)),
                    Binary::Sub => known(a.plus(&b, &-one)),
                    Binary::Mul => known(a.times(&b)),
                    Binary::Min | Binary::Max => Err(Stop::Form),
                }
            }
            Term::Shl(a, s) => {
                let (a, s) = (self.polynomial(a)?, self.amount(s)?);
                known(a.shifted(&s))
            }
            Term::Shr(a, s) => {
                let (a, s) = (self.polynomial(a)?, self.amount(s)?);
                known(a.floor(&s))
            }
            Term::ModPow2(a, s) => {
                let (a, s) = (self.polynomial(a)?, self.amount(s)?);
                let high = a.floor(&s).and_then(|f| f.shifted(&s));
                known(high.and_then(|high| a.plus(&high, &-one)))
            }
            Term::Fact(..) | Term::Div(..) | Term::Log2(_) | Term::Select(..) | Term::Truth(_) => {
                Err(Stop::Form)
            }
        }
    }
}
