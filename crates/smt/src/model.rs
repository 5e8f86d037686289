//! Assignments of the variables, and what a query's values are under one.
//!
//! The evaluator here is written from the SMT-LIB definitions and shares nothing with the
//! bit-blaster: every model of every solver is replayed on it before it counts.

use crate::query::Query;
use crate::term::{Binary, Compare, MAX_WIDTH, Op, Sort, TermId, Unary, mask, signed};
use ceg4n_base::entity::{PrimaryMap, SecondaryMap};
use std::collections::BTreeMap;

/// A value of a variable or a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A vector; bits above the width are zero.
    Bits {
        /// The bits as an unsigned number.
        bits: u128,
        /// Their number.
        width: u32,
    },
}

impl Value {
    /// The vector `value` of `width` bits, modulo 2^width.
    pub fn bits(value: i128, width: u32) -> Self {
        Self::Bits {
            bits: value.cast_unsigned() & mask(width),
            width,
        }
    }

    /// What it is a value of.
    pub fn sort(self) -> Sort {
        match self {
            Self::Bool(_) => Sort::Bool,
            Self::Int(_) => Sort::Int,
            Self::Bits { width, .. } => Sort::Bits(width),
        }
    }

    /// The value read as two's complement; truth values as 0 and 1.
    pub fn signed(self) -> i128 {
        match self {
            Self::Bool(b) => b.into(),
            Self::Int(v) => v,
            Self::Bits { bits, width } => signed(bits, width),
        }
    }

    /// The value read as unsigned; truth values as 0 and 1, integers modulo 2^128.
    pub fn unsigned(self) -> u128 {
        match self {
            Self::Bool(b) => b.into(),
            Self::Int(v) => v.cast_unsigned(),
            Self::Bits { bits, .. } => bits,
        }
    }

    fn of(sort: Sort, raw: u128) -> Self {
        match sort {
            Sort::Bool => Self::Bool(raw != 0),
            Sort::Int => Self::Int(raw.cast_signed()),
            Sort::Bits(width) => Self::Bits { bits: raw, width },
        }
    }
}

/// An assignment, by variable name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model(BTreeMap<String, Value>);

impl Model {
    /// Sets a variable.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).copied()
    }

    /// Every variable, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value)> {
        self.0.iter().map(|(n, v)| (n.as_str(), *v))
    }
}

/// The values of all terms of a query under one model.
#[derive(Clone, Debug)]
pub struct Values {
    sorts: PrimaryMap<TermId, Sort>,
    raw: SecondaryMap<TermId, u128>,
}

impl Values {
    /// The value of a term; `None` for one of another query.
    pub fn get(&self, t: TermId) -> Option<Value> {
        let sort = self.sorts.get(t)?;
        Some(Value::of(*sort, self.raw[t]))
    }
}

/// A model that does not fit a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A variable without a value of its sort.
    #[error("the model has no {sort:?} for `{name}`")]
    Missing {
        /// The variable.
        name: String,
        /// What the query says it is.
        sort: Sort,
    },
    /// An integer that needs more than 128 bits.
    #[error("a value under the model needs more than 128 bits")]
    Overflow,
}

impl Query {
    /// Evaluates every term.
    ///
    /// # Errors
    /// If a variable has no value or one of another sort, or an integer does not fit `i128`.
    pub fn evaluate(&self, model: &Model) -> Result<Values, ModelError> {
        let mut values = Values {
            sorts: PrimaryMap::with_capacity(self.len()),
            raw: SecondaryMap::with_capacity(self.len()),
        };
        for (id, d) in self.terms() {
            let raw = if d.op == Op::Var {
                let name = d.name.as_deref().unwrap_or("");
                match model.get(name) {
                    Some(v) if v.sort() == d.sort => v.unsigned(),
                    _ => {
                        return Err(ModelError::Missing {
                            name: name.to_owned(),
                            sort: d.sort,
                        });
                    }
                }
            } else {
                values.apply(&d.op, d.sort).ok_or(ModelError::Overflow)?
            };
            values.sorts.push(d.sort);
            values.raw[id] = raw;
        }
        Ok(values)
    }

    /// Whether every assertion holds.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn holds(&self, model: &Model) -> Result<bool, ModelError> {
        let values = self.evaluate(model)?;
        Ok(self.assertions().iter().all(|&t| values.raw[t] != 0))
    }
}

impl Values {
    fn width(&self, t: TermId) -> u32 {
        match self.sorts[t] {
            Sort::Bool => 1,
            Sort::Int => MAX_WIDTH,
            Sort::Bits(width) => width,
        }
    }

    /// The value of an operator, integers as 128 bits; `None` if one needs more.
    fn apply(&self, op: &Op, sort: Sort) -> Option<u128> {
        let width = match sort {
            Sort::Bool => 1,
            Sort::Int => MAX_WIDTH,
            Sort::Bits(width) => width,
        };
        let v = |t: TermId| self.raw[t];
        let s = |t: TermId| signed(self.raw[t], self.width(t));
        let raw = match op {
            Op::Var => 0,
            Op::Bool(b) => u128::from(*b),
            Op::Bits(bits) => *bits,
            Op::Unary(Unary::Neg, a) => v(*a).wrapping_neg(),
            Op::Unary(Unary::Not, a) => !v(*a),
            Op::Binary(op, a, b) => binary(*op, v(*a), v(*b), width),
            Op::SignExtend(a) => s(*a).cast_unsigned(),
            Op::ZeroExtend(a) => v(*a),
            Op::Extract(a, low) => v(*a) >> low,
            Op::Concat(a, b) => v(*a).checked_shl(self.width(*b)).unwrap_or(0) | v(*b),
            Op::Compare(Compare::Slt, a, b) => (s(*a) < s(*b)).into(),
            Op::Compare(Compare::Sle, a, b) => (s(*a) <= s(*b)).into(),
            Op::Compare(Compare::Ult, a, b) => (v(*a) < v(*b)).into(),
            Op::Compare(Compare::Ule, a, b) => (v(*a) <= v(*b)).into(),
            Op::Int(v) => v.cast_unsigned(),
            Op::Affine(products, constant) => {
                let mut sum = *constant;
                for (c, t) in products {
                    sum = sum.checked_add(c.checked_mul(s(*t))?)?;
                }
                sum.cast_unsigned()
            }
            Op::FloorShift(a, by) => (s(*a) >> by.min(&127)).cast_unsigned(),
            Op::AtMost(a, b) => (s(*a) <= s(*b)).into(),
            Op::Equal(a, b) => (v(*a) == v(*b)).into(),
            Op::Not(a) => (v(*a) == 0).into(),
            Op::And(all) => all.iter().all(|&t| v(t) != 0).into(),
            Op::Or(all) => all.iter().any(|&t| v(t) != 0).into(),
            Op::Ite(c, a, b) => {
                if v(*c) != 0 {
                    v(*a)
                } else {
                    v(*b)
                }
            }
        };
        Some(raw & mask(width))
    }
}

fn binary(op: Binary, a: u128, b: u128, width: u32) -> u128 {
    let amount = u32::try_from(b).unwrap_or(u32::MAX);
    match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::Shl => a.checked_shl(amount).unwrap_or(0),
        Binary::Lshr => a.checked_shr(amount).unwrap_or(0),
        Binary::Ashr => (signed(a, width) >> amount.min(127)).cast_unsigned(),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
    }
}
