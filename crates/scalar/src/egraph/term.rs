//! Terms of the language of rules as expressions.

use super::expression::{Builder, Expression, compare};
use super::known::{Bound, power};
use crate::facts::Facts;
use ceg4n_base::entity::{EntityRef, PrimaryMap};
use ceg4n_opspec::{Binary, Term, Truth, Variable, VariableId, VariableKind};
use egg::Id;

/// A term as an expression whose leaf `i` is the variable with that number. `facts` is what is
/// known of each; constants and shift amounts have one value. `None` where a part that must be
/// known has no value.
pub fn of_term(
    term: &Term,
    variables: &PrimaryMap<VariableId, Variable>,
    facts: &dyn Fn(VariableId) -> Facts,
) -> Option<Expression> {
    let mut bound = Bound::new(variables.len());
    for (id, variable) in variables.iter() {
        match (variable.kind.is_known(), facts(id).known()) {
            (true, Some(v)) => bound.know(id, v),
            (true, None) => return None,
            (false, _) => bound.learn(id, Some(facts(id))),
        }
    }
    let mut maker = Maker {
        variables,
        facts,
        bound,
        builder: Builder::new(),
    };
    let root = maker.term(term)?;
    Some(maker.builder.finish(root))
}

struct Maker<'a> {
    variables: &'a PrimaryMap<VariableId, Variable>,
    facts: &'a dyn Fn(VariableId) -> Facts,
    bound: Bound,
    builder: Builder,
}

impl Maker<'_> {
    fn leaf(&mut self, id: VariableId) -> Option<Id> {
        let number = u32::try_from(id.index()).ok()?;
        let facts = match self.variables[id].kind {
            VariableKind::Truth => Facts::within(0, 1).both((self.facts)(id))?,
            VariableKind::Value | VariableKind::Constant | VariableKind::Shift => (self.facts)(id),
        };
        Some(self.builder.leaf(number, facts))
    }

    fn amount(&self, s: &Term) -> Option<u32> {
        let s = u32::try_from(self.bound.value(s)?).ok()?;
        (s <= 127).then_some(s)
    }

    fn term(&mut self, term: &Term) -> Option<Id> {
        if term.is_known(self.variables) {
            let v = self.bound.value(term)?;
            return Some(self.builder.int(v));
        }
        Some(match term {
            Term::Variable(id) => self.leaf(*id)?,
            Term::Int(_) | Term::Fact(..) | Term::Div(..) | Term::Log2(_) => {
                let v = self.bound.value(term)?;
                self.builder.int(v)
            }
            Term::Neg(a) => {
                let a = self.term(a)?;
                self.builder.negated(a)
            }
            Term::Binary(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                match op {
                    Binary::Add => self.builder.sum(a, b),
                    Binary::Sub => self.builder.difference(a, b),
                    Binary::Mul => self.builder.product(a, b),
                    Binary::Min => self.builder.min(a, b),
                    Binary::Max => self.builder.max(a, b),
                }
            }
            Term::Shl(a, s) => {
                let (a, p) = (self.term(a)?, power(self.amount(s)?)?);
                self.builder.times(a, p)
            }
            Term::Shr(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                self.builder.shr(a, s)
            }
            Term::ModPow2(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                self.builder.low(a, s)
            }
            Term::Select(c, a, b) => {
                let (c, a, b) = (self.truth(c)?, self.term(a)?, self.term(b)?);
                self.builder.select(c, a, b)
            }
            Term::Truth(c) => self.truth(c)?,
        })
    }

    fn truth(&mut self, truth: &Truth) -> Option<Id> {
        if truth.is_known(self.variables) {
            let v = self.bound.holds(truth)?;
            return Some(self.builder.int(v.into()));
        }
        Some(match truth {
            Truth::Variable(id) => self.leaf(*id)?,
            Truth::Cmp(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                compare(*op, a, b, &mut |e| self.builder.add(e))
            }
            Truth::Not(a) => {
                let a = self.truth(a)?;
                self.builder.not(a)
            }
            Truth::And(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                self.builder.and(a, b)
            }
            Truth::Or(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                self.builder.or(a, b)
            }
        })
    }
}
