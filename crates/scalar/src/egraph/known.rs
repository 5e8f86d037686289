//! The integers of a rule that are known when it is applied: shift amounts, constants, facts, and
//! the conditions over them.

use crate::facts::Facts;
use ceg4n_base::entity::EntityRef;
use ceg4n_opspec::{Binary, Fact, RewriteRule, Term, Truth, VariableId, VariableKind};

/// Shifts by more have no meaning.
pub(crate) const MOST_SHIFT: i128 = 127;

/// What a match says of each variable of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// Constants and shift amounts.
    known: Vec<Option<i128>>,
    /// Facts of every variable.
    facts: Vec<Option<Facts>>,
}

impl Bound {
    pub(crate) fn new(variables: usize) -> Self {
        Self {
            known: vec![None; variables],
            facts: vec![None; variables],
        }
    }

    /// Says what is proved of a variable.
    pub(crate) fn learn(&mut self, id: VariableId, facts: Option<Facts>) {
        self.facts[id.index()] = facts;
    }

    /// Says which value a constant or shift amount has.
    pub(crate) fn know(&mut self, id: VariableId, v: i128) {
        self.known[id.index()] = Some(v);
        self.facts[id.index()] = Some(Facts::constant(v));
    }

    /// Binds a constant or shift amount. False if it cannot have the value.
    pub(crate) fn bind(&mut self, rule: &RewriteRule, id: VariableId, v: i128) -> bool {
        let at = id.index();
        let fits = match rule.variables[id].kind {
            VariableKind::Constant => true,
            VariableKind::Shift => (0..=MOST_SHIFT).contains(&v),
            VariableKind::Value | VariableKind::Truth => false,
        };
        let is_same = self.known[at].is_none_or(|old| old == v);
        self.know(id, v);
        fits && is_same
    }

    /// The value of a term of known integers; `None` where it has none: a variable is not known, or
    /// the arithmetic leaves `i128`.
    pub(crate) fn value(&self, term: &Term) -> Option<i128> {
        let shift = |t: &Term| {
            let s = self.value(t)?;
            u32::try_from(s).ok().filter(|_| s <= MOST_SHIFT)
        };
        match term {
            Term::Variable(id) => self.known[id.index()],
            Term::Int(v) => Some((*v).into()),
            Term::Fact(fact, id) => {
                let facts = self.facts[id.index()]?;
                Some(match fact {
                    Fact::Lo => facts.lo,
                    Fact::Hi => facts.hi,
                    Fact::Zeros => facts.zeros.into(),
                })
            }
            Term::Neg(a) => self.value(a)?.checked_neg(),
            Term::Binary(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                match op {
                    Binary::Add => a.checked_add(b),
                    Binary::Sub => a.checked_sub(b),
                    Binary::Mul => a.checked_mul(b),
                    Binary::Min => Some(a.min(b)),
                    Binary::Max => Some(a.max(b)),
                }
            }
            Term::Div(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                (b > 0).then(|| a.div_euclid(b))
            }
            Term::Log2(a) => self.value(a)?.checked_ilog2().map(i128::from),
            Term::Shl(a, s) => {
                let (a, s) = (self.value(a)?, shift(s)?);
                a.checked_mul(power(s)?)
            }
            Term::Shr(a, s) => Some(self.value(a)? >> shift(s)?),
            Term::ModPow2(a, s) => {
                let (a, s) = (self.value(a)?, shift(s)?);
                Some(a & (power(s)? - 1))
            }
            // Both arms need a value, as they do where the law is proved.
            Term::Select(c, a, b) => {
                let (c, a, b) = (self.holds(c)?, self.value(a)?, self.value(b)?);
                Some(if c { a } else { b })
            }
            Term::Truth(c) => self.holds(c).map(i128::from),
        }
    }

    /// Whether a condition of known integers holds; `None` where it has no value.
    pub(crate) fn holds(&self, truth: &Truth) -> Option<bool> {
        match truth {
            Truth::Variable(_) => None,
            Truth::Cmp(op, a, b) => Some(op.holds(self.value(a)?.cmp(&self.value(b)?))),
            Truth::Not(a) => Some(!self.holds(a)?),
            Truth::And(a, b) => Some(self.holds(a)? && self.holds(b)?),
            Truth::Or(a, b) => Some(self.holds(a)? || self.holds(b)?),
        }
    }
}

/// `2^s`, if it is an `i128`.
pub(crate) fn power(s: u32) -> Option<i128> {
    1i128.checked_shl(s).filter(|p| *p > 0)
}

/// A constant of a left side as an e-graph has it: a variable, changed by what the normal form of
/// its place does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// `-c`
    Negated(VariableId),
    /// `2^s`
    Power(VariableId),
    /// `-2^s`
    NegatedPower(VariableId),
}

impl Changed {
    /// The variable and its value where the changed one has this value.
    pub(crate) fn solve(self, v: i128) -> Option<(VariableId, i128)> {
        let logarithm = |v: i128| (v > 0 && v.count_ones() == 1).then(|| v.trailing_zeros().into());
        match self {
            Self::Negated(id) => Some((id, v.checked_neg()?)),
            Self::Power(id) => Some((id, logarithm(v)?)),
            Self::NegatedPower(id) => Some((id, logarithm(v.checked_neg()?)?)),
        }
    }
}
