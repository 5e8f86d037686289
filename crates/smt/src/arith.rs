//! Shorthands of the builder: one method per operator, and sums of many operands.

use crate::query::{Query, TermResult};
use crate::term::{Binary, Compare, TermError, TermId, Unary};

macro_rules! binary {
    ($($method:ident, $op:ident, $doc:literal;)*) => {
        /// Operators on two vectors of one width; other arguments are an error.
        impl Query {
            $(#[doc = $doc]
            ///
            /// # Errors
            /// If the arguments are not two vectors of one width.
            pub fn $method(&mut self, a: TermId, b: TermId) -> TermResult {
                self.binary(Binary::$op, a, b)
            })*
        }
    };
}

binary! {
    add, Add, "`a + b` modulo 2^width.";
    sub, Sub, "`a - b` modulo 2^width.";
    mul, Mul, "`a · b` modulo 2^width.";
    shl, Shl, "`a` shifted left by the unsigned `b`; zero from the width on.";
    lshr, Lshr, "`a` shifted right by the unsigned `b`, zeros from the left.";
    ashr, Ashr, "`a` shifted right by the unsigned `b`, copies of its sign from the left.";
    bit_and, And, "Conjunction of every bit.";
    bit_or, Or, "Disjunction of every bit.";
    bit_xor, Xor, "Exclusive disjunction of every bit.";
}

macro_rules! compare {
    ($($method:ident, $op:ident, $doc:literal;)*) => {
        /// Orders between two vectors of one width; other arguments are an error.
        impl Query {
            $(#[doc = $doc]
            ///
            /// # Errors
            /// If the arguments are not two vectors of one width.
            pub fn $method(&mut self, a: TermId, b: TermId) -> TermResult {
                self.compare(Compare::$op, a, b)
            })*
        }
    };
}

compare! {
    slt, Slt, "`a < b` as two's complement.";
    sle, Sle, "`a ≤ b` as two's complement.";
    ult, Ult, "`a < b` as unsigned.";
    ule, Ule, "`a ≤ b` as unsigned.";
}

impl Query {
    /// `-a` modulo 2^width.
    ///
    /// # Errors
    /// If `a` is no vector.
    pub fn neg(&mut self, a: TermId) -> TermResult {
        self.unary(Unary::Neg, a)
    }

    /// Every bit inverted.
    ///
    /// # Errors
    /// If `a` is no vector.
    pub fn bit_not(&mut self, a: TermId) -> TermResult {
        self.unary(Unary::Not, a)
    }

    /// `coefficient · a` modulo 2^width.
    ///
    /// # Errors
    /// If `a` is no vector or the coefficient does not fit its width.
    pub fn mul_const(&mut self, a: TermId, coefficient: i128) -> TermResult {
        let width = self.width(a)?;
        match coefficient {
            0 => self.constant(0, width),
            1 => Ok(a),
            -1 => self.neg(a),
            _ => {
                let c = self.constant(coefficient, width)?;
                self.mul(a, c)
            }
        }
    }

    /// `a` shifted left by a fixed number of bits.
    ///
    /// # Errors
    /// If `a` is no vector or the amount does not fit its width as an unsigned number.
    pub fn shl_const(&mut self, a: TermId, amount: u32) -> TermResult {
        self.shift_const(Binary::Shl, a, amount)
    }

    /// `a` shifted right by a fixed number of bits, copies of its sign from the left: the floor
    /// of `a · 2^-amount`.
    ///
    /// # Errors
    /// As [`Self::shl_const`].
    pub fn ashr_const(&mut self, a: TermId, amount: u32) -> TermResult {
        self.shift_const(Binary::Ashr, a, amount)
    }

    fn shift_const(&mut self, op: Binary, a: TermId, amount: u32) -> TermResult {
        if amount == 0 {
            return self.width(a).map(|_| a);
        }
        let width = self.width(a)?;
        let amount = self.constant(amount.into(), width)?;
        self.binary(op, a, amount)
    }

    /// The sum of all `operands` modulo 2^width: a balanced tree of definitions, so that neither
    /// printers nor parsers meet a deep term. Zero if there are none.
    ///
    /// # Errors
    /// If an operand is not a vector of `width` bits.
    pub fn sum(&mut self, operands: &[TermId], width: u32) -> TermResult {
        let zero = self.constant(0, width)?;
        for &t in operands {
            if self.width(t)? != width {
                let (left, right) = (self.definition(zero)?.sort, self.definition(t)?.sort);
                return Err(TermError::Mismatch {
                    op: "sum",
                    left,
                    right,
                });
            }
        }
        let mut level = operands.to_vec();
        while level.len() > 1 {
            let mut next = Vec::with_capacity(level.len().div_ceil(2));
            for pair in level.chunks(2) {
                next.push(match pair {
                    [a, b] => self.add(*a, *b)?,
                    rest => rest[0],
                });
            }
            level = next;
        }
        Ok(level.first().copied().unwrap_or(zero))
    }

    /// `constant + Σ coefficient · operand` modulo 2^width, built as [`Self::sum`] is.
    ///
    /// # Errors
    /// If an operand is not a vector of `width` bits, or a coefficient or the constant does not
    /// fit them.
    pub fn linear(
        &mut self,
        products: &[(i128, TermId)],
        constant: i128,
        width: u32,
    ) -> TermResult {
        let mut operands = Vec::with_capacity(products.len() + 1);
        for &(coefficient, t) in products {
            if coefficient == 0 {
                continue;
            }
            operands.push(self.mul_const(t, coefficient)?);
        }
        if constant != 0 {
            operands.push(self.constant(constant, width)?);
        }
        self.sum(&operands, width)
    }
}
