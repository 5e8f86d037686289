//! The integers of a rule that are known when it is applied: shift amounts, constants, facts, and
//! the conditions over them.

use crate::facts::Facts;
use ceg4n_base::entity::EntityRef;
use ceg4n_opspec::{Binary, Cmp, Fact, Logic, RewriteRule, Term, Truth, VariableId, VariableKind};

/// What a match says of each variable of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// Constants and shift amounts.
    pub(crate) known: Vec<Option<i128>>,
    /// Facts of every variable.
    pub(crate) facts: Vec<Option<Facts>>,
}

impl Bound {
    pub(crate) fn new(variables: usize) -> Self {
        Self {
            known: vec![None; variables],
            facts: vec![None; variables],
        }
    }

    /// Binds a constant or shift amount. False if it cannot have the value.
    pub(crate) fn bind(&mut self, rule: &RewriteRule, id: VariableId, v: i128) -> bool {
        let at = id.index();
        let fits = match rule.variables[id].kind {
            VariableKind::Constant => true,
            VariableKind::Shift => (0..=63).contains(&v),
            VariableKind::Value | VariableKind::Truth => false,
        };
        let is_same = self.known[at].is_none_or(|old| old == v);
        self.known[at] = Some(v);
        self.facts[at] = Some(Facts::constant(v));
        fits && is_same
    }

    /// The value of a term of known integers; `None` where it has none: a variable is not known, or
    /// the arithmetic leaves `i128`.
    pub(crate) fn value(&self, term: &Term) -> Option<i128> {
        let shift = |t: &Term| {
            let s = u32::try_from(self.value(t)?).ok()?;
            (s <= 127).then_some(s)
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
            Term::Shl(a, s) => {
                let (a, s) = (self.value(a)?, shift(s)?);
                a.checked_mul(1i128.checked_shl(s).filter(|p| *p > 0)?)
            }
            Term::Shr(a, s) => Some(self.value(a)? >> shift(s)?),
            Term::ModPow2(a, s) => {
                let (a, s) = (self.value(a)?, shift(s)?);
                (s < 127).then(|| a & ((1 << s) - 1))
            }
            Term::Select(c, a, b) => match self.truth(c)? {
                true => self.value(a),
                false => self.value(b),
            },
        }
    }

    fn truth(&self, truth: &Truth) -> Option<bool> {
        match truth {
            Truth::Variable(_) => None,
            Truth::Logic(logic) => self.holds(logic),
        }
    }

    /// Whether a condition holds; `None` where it has no value.
    pub(crate) fn holds(&self, logic: &Logic<Term>) -> Option<bool> {
        match logic {
            Logic::Cmp(op, a, b) => Some(op.holds(self.value(a)?.cmp(&self.value(b)?))),
            Logic::Not(a) => Some(!self.holds(a)?),
            // The second of two is asked only where it matters, as a bound check before a shift.
            Logic::And(a, b) => Some(self.holds(a)? && self.holds(b)?),
            Logic::Or(a, b) => Some(self.holds(a)? || self.holds(b)?),
        }
    }

    /// Binds what is not known in a term so that it has the value. False where there is no such
    /// value or where it is not found.
    pub(crate) fn solve(&mut self, rule: &RewriteRule, term: &Term, v: i128) -> bool {
        if let Some(known) = self.value(term) {
            return known == v;
        }
        let solved = |this: &mut Self, t: &Term, v: Option<i128>| {
            v.is_some_and(|v| this.solve(rule, t, v))
        };
        match term {
            Term::Variable(id) => self.bind(rule, *id, v),
            Term::Neg(a) => solved(self, a, v.checked_neg()),
            Term::Binary(op, a, b) => match (op, self.value(a), self.value(b)) {
                (Binary::Add, _, Some(b)) => solved(self, a, v.checked_sub(b)),
                (Binary::Add, Some(a), None) => solved(self, b, v.checked_sub(a)),
                (Binary::Sub, _, Some(b)) => solved(self, a, v.checked_add(b)),
                (Binary::Sub, Some(a), None) => solved(self, b, a.checked_sub(v)),
                (Binary::Mul, _, Some(c)) if c != 0 && v % c == 0 => solved(self, a, Some(v / c)),
                (Binary::Mul, Some(c), None) if c != 0 && v % c == 0 => {
                    solved(self, b, Some(v / c))
                }
                (Binary::Add | Binary::Sub | Binary::Mul | Binary::Min | Binary::Max, ..) => false,
            },
            Term::Shl(a, s) => match (self.value(a), self.value(s)) {
                (None, Some(s @ 0..=126)) if v & ((1 << s) - 1) == 0 => solved(self, a, Some(v >> s)),
                (Some(a), None) => {
                    let of = |s: &i128| a.checked_mul(1 << *s) == Some(v);
                    // 0 is a multiple of every power: no amount is the one that is meant.
                    let found = (0..=63).find(of).filter(|_| a != 0);
                    solved(self, s, found)
                }
                _ => false,
            },
            Term::Int(_)
            | Term::Fact(..)
            | Term::Div(..)
            | Term::Shr(..)
            | Term::ModPow2(..)
            | Term::Select(..) => false,
        }
    }
}

/// Whether a term is an integer that is known when the rule is applied.
pub(crate) fn is_known(rule: &RewriteRule, term: &Term) -> bool {
    let known = |t: &Term| is_known(rule, t);
    match term {
        Term::Variable(id) => match rule.variables[*id].kind {
            VariableKind::Constant | VariableKind::Shift => true,
            VariableKind::Value | VariableKind::Truth => false,
        },
        Term::Int(_) | Term::Fact(..) => true,
        Term::Neg(a) => known(a),
        Term::Binary(_, a, b)
        | Term::Div(a, b)
        | Term::Shl(a, b)
        | Term::Shr(a, b)
        | Term::ModPow2(a, b) => known(a) && known(b),
        Term::Select(c, a, b) => is_known_truth(rule, c) && known(a) && known(b),
    }
}

fn is_known_truth(rule: &RewriteRule, truth: &Truth) -> bool {
    match truth {
        Truth::Variable(_) => false,
        Truth::Logic(logic) => is_known_logic(rule, logic),
    }
}

fn is_known_logic(rule: &RewriteRule, logic: &Logic<Term>) -> bool {
    match logic {
        Logic::Cmp(_, a, b) => is_known(rule, a) && is_known(rule, b),
        Logic::Not(a) => is_known_logic(rule, a),
        Logic::And(a, b) | Logic::Or(a, b) => is_known_logic(rule, a) && is_known_logic(rule, b),
    }
}

/// The comparison as `<` alone: whether the operands change places, and whether it is negated.
/// `None` for equality, which is two of them.
pub(crate) fn as_less(op: Cmp) -> Option<(bool, bool)> {
    match op {
        Cmp::Lt => Some((false, false)),
        Cmp::Gt => Some((true, false)),
        Cmp::Le => Some((true, true)),
        Cmp::Ge => Some((false, true)),
        Cmp::Eq | Cmp::Ne => None,
    }
}
