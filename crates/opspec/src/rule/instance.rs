//! Rules at given values: what both sides are, over unbounded integers.

use super::{Fact, RewriteRule, Term, Truth, VariableId, VariableKind};
use crate::ast::Binary;
use crate::domain::{Domain, MeaningError};
use crate::domains::BigDomain;
use ceg4n_base::entity::PrimaryMap;
use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

type Result<T> = std::result::Result<T, MeaningError>;

/// What a variable is in an [`Instance`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// A truth value.
    Truth(bool),
    /// An integer, and what is proved of it.
    Integer {
        /// The integer itself.
        value: BigInt,
        /// What it is never below.
        lo: BigInt,
        /// What it never exceeds.
        hi: BigInt,
        /// It is a multiple of 2 to this power.
        zeros: u32,
    },
}

impl Number {
    /// An integer of which everything is proved that holds.
    pub fn known(value: BigInt) -> Self {
        let zeros = value.trailing_zeros().unwrap_or(127);
        Self::Integer {
            lo: value.clone(),
            hi: value.clone(),
            zeros: u32::try_from(zeros).unwrap_or(u32::MAX),
            value,
        }
    }
}

/// Both sides at an [`Instance`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// The left side.
    pub left: Result<BigInt>,
    /// The right side, or why it has no meaning.
    pub right: Result<BigInt>,
}

impl Sides {
    /// Whether this agrees with the rule: a left side without a meaning is never replaced.
    pub fn agree(&self) -> bool {
        self.left.is_err() || self.left == self.right
    }
}

/// Values for the variables of a rule, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The value of each variable.
    pub numbers: PrimaryMap<VariableId, Number>,
}

impl Instance {
    /// Whether the values are such as the variables of the rule may have, and the facts hold.
    pub fn fits(&self, rule: &RewriteRule) -> bool {
        let fits = |kind, number: &Number| match (kind, number) {
            (VariableKind::Truth, Number::Truth(_)) => true,
            (
                VariableKind::Value | VariableKind::Constant | VariableKind::Shift,
                Number::Integer {
                    value,
                    lo,
                    hi,
                    zeros,
                },
            ) => {
                let multiple = value.trailing_zeros().is_none_or(|z| z >= (*zeros).into());
                let natural = kind != VariableKind::Shift || !value.is_negative();
                lo <= value && value <= hi && multiple && natural
            }
            (VariableKind::Truth, Number::Integer { .. })
            | (
                VariableKind::Value | VariableKind::Constant | VariableKind::Shift,
                Number::Truth(_),
            ) => false,
        };
        let kinds = rule.variables.values().map(|v| v.kind);
        self.numbers.len() == rule.variables.len()
            && kinds.zip(self.numbers.values()).all(|(k, n)| fits(k, n))
    }

    /// Whether the side condition has a meaning and holds.
    pub fn allows(&self, rule: &RewriteRule) -> bool {
        let when = rule.when.as_ref();
        when.is_none_or(|w| self.truth(w) == Ok(true))
    }

    /// Both sides.
    pub fn sides(&self, rule: &RewriteRule) -> Sides {
        Sides {
            left: self.term(&rule.lhs),
            right: self.term(&rule.rhs),
        }
    }

    /// An expression of a rule whose variables these are; a truth value is 1 or 0.
    ///
    /// # Errors
    /// Without a meaning: a negative or absurdly large shift, a quotient by less than 1, a
    /// logarithm of less than 1. Both arms of `select` need one.
    pub fn term(&self, term: &Term) -> Result<BigInt> {
        let d = &mut BigDomain;
        match term {
            Term::Variable(v) => self.number(*v),
            Term::Int(v) => Ok((*v).into()),
            Term::Fact(fact, v) => self.fact(*fact, *v),
            Term::Neg(a) => d.neg(&self.term(a)?),
            Term::Binary(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                match op {
                    Binary::Add => d.add(&a, &b),
                    Binary::Sub => d.sub(&a, &b),
                    Binary::Mul => d.mul(&a, &b),
                    Binary::Min => d.min(&a, &b),
                    Binary::Max => d.max(&a, &b),
                }
            }
            Term::Div(a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                if !b.is_positive() {
                    return Err(MeaningError::DivisionByZero);
                }
                let quotient = &a / &b;
                let inexact = a.is_negative() && &quotient * &b != a;
                Ok(quotient - BigInt::from(u8::from(inexact)))
            }
            Term::Log2(a) => {
                let a = self.term(a)?;
                match a.is_positive() {
                    true => Ok(BigInt::from(a.bits() - 1)),
                    false => Err(MeaningError::Logarithm),
                }
            }
            Term::Shl(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                d.shl(&a, s)
            }
            Term::Shr(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                d.shr_floor(&a, s)
            }
            Term::ModPow2(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                d.mod_pow2(&a, s)
            }
            Term::Select(c, a, b) => {
                let (c, a, b) = (self.truth(c)?, self.term(a)?, self.term(b)?);
                d.select(&c, &a, &b)
            }
            Term::Truth(c) => Ok(match self.truth(c)? {
                true => BigInt::one(),
                false => BigInt::zero(),
            }),
        }
    }

    /// A truth value of a rule whose variables these are.
    ///
    /// # Errors
    /// As [`Self::term`], but the second part of `and` and `or` may lack a meaning where it does
    /// not count.
    pub fn truth(&self, truth: &Truth) -> Result<bool> {
        match truth {
            Truth::Variable(v) => match self.numbers.get(*v) {
                Some(Number::Truth(t)) => Ok(*t),
                Some(Number::Integer { .. }) | None => Err(unbound(*v)),
            },
            Truth::Cmp(op, a, b) => Ok(op.holds(self.term(a)?.cmp(&self.term(b)?))),
            Truth::Not(a) => Ok(!self.truth(a)?),
            Truth::And(a, b) => Ok(self.truth(a)? && self.truth(b)?),
            Truth::Or(a, b) => Ok(self.truth(a)? || self.truth(b)?),
        }
    }

    fn number(&self, v: VariableId) -> Result<BigInt> {
        match self.numbers.get(v) {
            Some(Number::Integer { value, .. }) => Ok(value.clone()),
            Some(Number::Truth(_)) | None => Err(unbound(v)),
        }
    }

    fn fact(&self, fact: Fact, v: VariableId) -> Result<BigInt> {
        match (fact, self.numbers.get(v)) {
            (Fact::Lo, Some(Number::Integer { lo, .. })) => Ok(lo.clone()),
            (Fact::Hi, Some(Number::Integer { hi, .. })) => Ok(hi.clone()),
            (Fact::Zeros, Some(Number::Integer { zeros, .. })) => Ok((*zeros).into()),
            (_, Some(Number::Truth(_)) | None) => Err(unbound(v)),
        }
    }

    fn amount(&self, term: &Term) -> Result<u32> {
        let amount = self.term(term)?;
        u32::try_from(&amount).map_err(|_| {
            let beyond = match amount.is_negative() {
                true => i64::MIN,
                false => i64::MAX,
            };
            MeaningError::Shift(i64::try_from(&amount).unwrap_or(beyond))
        })
    }
}

fn unbound(v: VariableId) -> MeaningError {
    MeaningError::Unbound(v.to_string())
}

impl Instance {
    /// The values of a rule's variables and of the facts that it mentions, in the order of the
    /// variables: `x` and `3`, `lo(x)` and `0`.
    pub fn entries(&self, rule: &RewriteRule) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        let mentioned = rule.facts();
        for ((id, variable), number) in rule.variables.iter().zip(self.numbers.values()) {
            let name = &variable.name;
            let (value, lo, hi, zeros) = match number {
                Number::Truth(t) => {
                    entries.push((name.clone(), t.to_string()));
                    continue;
                }
                Number::Integer {
                    value,
                    lo,
                    hi,
                    zeros,
                } => (value, lo, hi, zeros),
            };
            entries.push((name.clone(), value.to_string()));
            for fact in Fact::ALL {
                let value = match fact {
                    Fact::Lo => lo.to_string(),
                    Fact::Hi => hi.to_string(),
                    Fact::Zeros => zeros.to_string(),
                };
                if mentioned.contains(&(fact, id)) {
                    entries.push((format!("{}({name})", fact.name()), value));
                }
            }
        }
        entries
    }
}
