//! Terms of the logics QF_BV and QF_LIA: sorts, operators, and what can be wrong with a term.
//!
//! The meaning of every operator on vectors is the one of SMT-LIB's theory `FixedSizeBitVectors`,
//! on integers that of `Ints`, without a limit of size.

use ceg4n_base::entity::entity_impl;

/// The widest bit vector, in bits: values fit `u128` and, read as two's complement, `i128`.
pub const MAX_WIDTH: u32 = 128;

/// A value of a [`Query`](crate::Query). Arguments always have smaller ids than their users.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TermId(u32);
entity_impl!(TermId, "term");

/// The widest power of two that an integer is divided by, as an exponent.
pub const MAX_SHIFT: u32 = 126;

/// Which numbers a query is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Logic {
    /// `QF_BV`: bit vectors.
    #[default]
    Bv,
    /// `QF_LIA`: integers and linear forms over them.
    Lia,
}

impl Logic {
    /// Every logic.
    pub const ALL: [Self; 2] = [Self::Bv, Self::Lia];

    /// The SMT-LIB name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bv => "QF_BV",
            Self::Lia => "QF_LIA",
        }
    }
}

/// What a term denotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// A truth value.
    Bool,
    /// An integer; in queries of [`Logic::Lia`] alone.
    Int,
    /// A vector of 1 to [`MAX_WIDTH`] bits; in queries of [`Logic::Bv`] alone.
    Bits(u32),
}

/// Operators from one vector to a vector of the same width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `bvneg`: two's complement negation.
    Neg,
    /// `bvnot`: every bit inverted.
    Not,
}

/// Operators from two vectors of one width to a vector of that width; arithmetic is modulo
/// 2^width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `bvadd`.
    Add,
    /// `bvsub`.
    Sub,
    /// `bvmul`.
    Mul,
    /// `bvshl`: by an unsigned amount; zero from the width on.
    Shl,
    /// `bvlshr`: by an unsigned amount, zeros from the left.
    Lshr,
    /// `bvashr`: by an unsigned amount, copies of the sign from the left.
    Ashr,
    /// `bvand`.
    And,
    /// `bvor`.
    Or,
    /// `bvxor`.
    Xor,
}

/// Orders between two vectors of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `bvslt`: less, as two's complement.
    Slt,
    /// `bvsle`: at most, as two's complement.
    Sle,
    /// `bvult`: less, as unsigned.
    Ult,
    /// `bvule`: at most, as unsigned.
    Ule,
}

impl Unary {
    /// Every operator.
    pub const ALL: [Self; 2] = [Self::Neg, Self::Not];

    /// The SMT-LIB name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neg => "bvneg",
            Self::Not => "bvnot",
        }
    }
}

impl Binary {
    /// Every operator.
    pub const ALL: [Self; 9] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Shl,
        Self::Lshr,
        Self::Ashr,
        Self::And,
        Self::Or,
        Self::Xor,
    ];

    /// The SMT-LIB name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "bvadd",
            Self::Sub => "bvsub",
            Self::Mul => "bvmul",
            Self::Shl => "bvshl",
            Self::Lshr => "bvlshr",
            Self::Ashr => "bvashr",
            Self::And => "bvand",
            Self::Or => "bvor",
            Self::Xor => "bvxor",
        }
    }
}

impl Compare {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Slt, Self::Sle, Self::Ult, Self::Ule];

    /// The SMT-LIB name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slt => "bvslt",
            Self::Sle => "bvsle",
            Self::Ult => "bvult",
            Self::Ule => "bvule",
        }
    }
}

/// How a value is defined from earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A free variable.
    Var,
    /// A truth value.
    Bool(bool),
    /// A constant vector; bits above the width are zero.
    Bits(u128),
    /// See [`Unary`].
    Unary(Unary, TermId),
    /// See [`Binary`].
    Binary(Binary, TermId, TermId),
    /// `sign_extend` to the width of the term.
    SignExtend(TermId),
    /// `zero_extend` to the width of the term.
    ZeroExtend(TermId),
    /// `extract` from this lowest bit on, as many bits as the term is wide.
    Extract(TermId, u32),
    /// `concat`: the first argument is the high part.
    Concat(TermId, TermId),
    /// See [`Compare`].
    Compare(Compare, TermId, TermId),
    /// A constant integer.
    Int(i128),
    /// The sum of integers times coefficients, plus a constant.
    Affine(Box<[(i128, TermId)]>, i128),
    /// The floor of an integer over two to this power, at most [`MAX_SHIFT`].
    FloorShift(TermId, u32),
    /// `<=` on two integers.
    AtMost(TermId, TermId),
    /// `=` on two terms of one sort.
    Equal(TermId, TermId),
    /// `not` on truth values.
    Not(TermId),
    /// `and` on at least two truth values.
    And(Box<[TermId]>),
    /// `or` on at least two truth values.
    Or(Box<[TermId]>),
    /// `ite`: a truth value chooses between two terms of one sort.
    Ite(TermId, TermId, TermId),
}

impl Op {
    /// Whether it is a literal, which scripts write out instead of naming it.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Bool(_) | Self::Bits(_) | Self::Int(_))
    }

    /// Calls `f` on every argument, in order.
    pub fn for_each_argument(&self, mut f: impl FnMut(TermId)) {
        match self {
            Self::Var | Self::Bool(_) | Self::Bits(_) | Self::Int(_) => {}
            Self::Affine(products, _) => products.iter().for_each(|(_, t)| f(*t)),
            Self::Unary(_, a)
            | Self::FloorShift(a, _)
            | Self::SignExtend(a)
            | Self::ZeroExtend(a)
            | Self::Extract(a, _)
            | Self::Not(a) => f(*a),
            Self::Binary(_, a, b)
            | Self::Concat(a, b)
            | Self::AtMost(a, b)
            | Self::Compare(_, a, b)
            | Self::Equal(a, b) => {
                f(*a);
                f(*b);
            }
            Self::And(all) | Self::Or(all) => all.iter().copied().for_each(f),
            Self::Ite(c, a, b) => {
                f(*c);
                f(*a);
                f(*b);
            }
        }
    }
}

/// Why a term cannot be built. Each is a fault of the caller, not of the user's network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// A width outside 1..=[`MAX_WIDTH`].
    #[error("a bit vector of {0} bits is outside 1..={MAX_WIDTH}")]
    Width(u32),
    /// Two arguments whose sorts must be equal.
    #[error("`{op}` on {left:?} and {right:?}")]
    Mismatch {
        /// The operator.
        op: &'static str,
        /// Sort of the first argument.
        left: Sort,
        /// Sort of the second argument.
        right: Sort,
    },
    /// An argument of the wrong kind (vector, integer or truth value).
    #[error("`{op}` on {found:?}")]
    Kind {
        /// The operator.
        op: &'static str,
        /// Sort of the argument.
        found: Sort,
    },
    /// A constant that fits neither as signed nor as unsigned.
    #[error("the constant {value} does not fit {width} bits")]
    Constant {
        /// The value.
        value: i128,
        /// The width asked for.
        width: u32,
    },
    /// An extension to fewer bits.
    #[error("an extension from {from} to {to} bits")]
    Extension {
        /// Width of the argument.
        from: u32,
        /// Width asked for.
        to: u32,
    },
    /// An extraction outside its argument.
    #[error("bits {high} to {low} of a vector of {width} bits")]
    Range {
        /// Highest bit asked for.
        high: u32,
        /// Lowest bit asked for.
        low: u32,
        /// Width of the argument.
        width: u32,
    },
    /// A division by more than two to [`MAX_SHIFT`].
    #[error("a division by 2^{0}")]
    Shift(u32),
    /// A value that the query's logic does not have.
    #[error("{found:?} in {}", logic.name())]
    Logic {
        /// The query's logic.
        logic: Logic,
        /// The value's sort.
        found: Sort,
    },
    /// A name that is no plain SMT-LIB symbol, or that the logic uses itself.
    #[error("`{0}` cannot name a value")]
    Name(String),
    /// A name that is taken.
    #[error("`{0}` is defined twice")]
    Duplicate(String),
    /// A term of another query.
    #[error("{0} is not part of this query")]
    Unknown(TermId),
    /// A query with 2^32 terms.
    #[error("too many terms")]
    TooMany,
}

/// The lowest `width` bits, all ones.
pub(crate) fn mask(width: u32) -> u128 {
    if width >= MAX_WIDTH {
        u128::MAX
    } else {
        (1 << width) - 1
    }
}

/// Reads the lowest `width` bits (1..=128) as two's complement.
pub(crate) fn signed(bits: u128, width: u32) -> i128 {
    let unused = MAX_WIDTH - width;
    (bits << unused).cast_signed() >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_reading_at_the_edges() {
        assert_eq!(signed(1, 1), -1);
        assert_eq!(signed(0x7f, 8), 127);
        assert_eq!(signed(0x80, 8), -128);
        assert_eq!(signed(u128::MAX, 128), -1);
        assert_eq!(mask(1), 1);
        assert_eq!(mask(128), u128::MAX);
    }
}
