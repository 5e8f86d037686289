//! Assignments of the variables, and what a query's values are under one.
//!
//! The evaluator here is written from the SMT-LIB definitions and shares nothing with the
//! bit-blaster: every model of every solver is replayed on it before it counts.

use crate::query::Query;
use crate::term::{Binary, Compare, Op, Sort, TermId, Unary, mask, signed};
use ceg4n_base::entity::{PrimaryMap, SecondaryMap};
use std::collections::BTreeMap;

/// A value of a variable or a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A truth value.
    Bool(bool),
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
            Self::Bits { width, .. } => Sort::Bits(width),
        }
    }

    /// The value read as two's complement; truth values as 0 and 1.
    pub fn signed(self) -> i128 {
        match self {
            Self::Bool(b) => b.into(),
            Self::Bits { bits, width } => signed(bits, width),
        }
    }

    /// The value read as unsigned; truth values as 0 and 1.
    pub fn unsigned(self) -> u128 {
        match self {
            Self::Bool(b) => b.into(),
            Self::Bits { bits, .. } => bits,
        }
    }

    fn of(sort: Sort, raw: u128) -> Self {
        match sort {
            Sort::Bool => Self::Bool(raw != 0),
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
#[error("the model has no {sort:?} for `{name}`")]
pub struct ModelError {
    /// The variable.
    pub name: String,
    /// What the query says it is.
    pub sort: Sort,
}

impl Query {
    /// Evaluates every term.
    ///
    /// # Errors
    /// If a variable has no value or one of another sort.
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
                        return Err(ModelError {
                            name: name.to_owned(),
                            sort: d.sort,
                        });
                    }
                }
            } else {
                values.apply(&d.op, d.sort)
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
            Sort::Bits(width) => width,
        }
    }

    fn apply(&self, op: &Op, sort: Sort) -> u128 {
        let width = match sort {
            Sort::Bool => 1,
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
        raw & mask(width)
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
