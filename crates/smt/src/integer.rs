//! The builder's integers: what the logic QF_LIA has besides truth values.
//!
//! A division by a power of two is a value of its own. A script declares it as a fresh integer
//! with the two bounds that say which one it is, because QF_LIA has no `div`; as it is a function
//! of its argument, models need not state it and replay computes it.

use crate::query::{Query, TermResult};
use crate::term::{MAX_SHIFT, Op, Sort, TermError, TermId};

impl Query {
    /// A free integer; names as for [`Query::var`].
    ///
    /// # Errors
    /// A name that is bad or taken, a query over vectors.
    pub fn int_var(&mut self, name: &str) -> TermResult {
        self.new_var(name, Sort::Int)
    }

    /// A constant integer.
    ///
    /// # Errors
    /// In a query over vectors.
    pub fn integer(&mut self, value: i128) -> TermResult {
        self.shared(Op::Int(value), Sort::Int)
    }

    /// `constant + Σ coefficient · operand`, exactly.
    ///
    /// # Errors
    /// If an operand is no integer.
    pub fn affine(&mut self, products: &[(i128, TermId)], constant: i128) -> TermResult {
        let mut kept = Vec::with_capacity(products.len());
        for &(coefficient, t) in products {
            self.is_integer("+", t)?;
            if coefficient != 0 {
                kept.push((coefficient, t));
            }
        }
        match (kept.as_slice(), constant) {
            ([], _) => self.integer(constant),
            ([(1, t)], 0) => Ok(*t),
            _ => self.push(Op::Affine(kept.into(), constant), Sort::Int),
        }
    }

    /// The floor of `a · 2^-s`.
    ///
    /// # Errors
    /// If `a` is no integer or `s` exceeds [`MAX_SHIFT`].
    pub fn floor_shift(&mut self, a: TermId, s: u32) -> TermResult {
        self.is_integer("floor", a)?;
        match s {
            0 => Ok(a),
            1..=MAX_SHIFT => self.push(Op::FloorShift(a, s), Sort::Int),
            _ => Err(TermError::Shift(s)),
        }
    }

    /// `a ≤ b`.
    ///
    /// # Errors
    /// If one is no integer.
    pub fn at_most(&mut self, a: TermId, b: TermId) -> TermResult {
        self.is_integer("<=", a)?;
        self.is_integer("<=", b)?;
        self.push(Op::AtMost(a, b), Sort::Bool)
    }

    /// Demands `lo ≤ a ≤ hi`.
    ///
    /// # Errors
    /// If `a` is no integer.
    pub fn assert_within(&mut self, a: TermId, lo: i128, hi: i128) -> Result<(), TermError> {
        let (lo, hi) = (self.integer(lo)?, self.integer(hi)?);
        for bound in [self.at_most(lo, a)?, self.at_most(a, hi)?] {
            self.assert(bound)?;
        }
        Ok(())
    }

    fn is_integer(&self, op: &'static str, t: TermId) -> Result<(), TermError> {
        match self.definition(t)?.sort {
            Sort::Int => Ok(()),
            found @ (Sort::Bool | Sort::Bits(_)) => Err(TermError::Kind { op, found }),
        }
    }
}
