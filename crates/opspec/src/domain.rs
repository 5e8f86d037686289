//! What an interpretation needs: a [`Domain`] of values and the [`Operands`] of an operator.

use crate::ast::{Cmp, Smooth};
use crate::spec::{OperandId, ParameterId, SizeId};
use std::fmt;

/// Why a meaning has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeaningError {
    /// A number left the range of the domain.
    Overflow,
    /// A shift amount is negative or absurdly large.
    Shift(i64),
    /// An index is negative or not below its extent.
    Index {
        /// The index.
        index: i64,
        /// The extent.
        extent: usize,
    },
    /// Division by zero.
    DivisionByZero,
    /// The logarithm of a number that is not positive.
    Logarithm,
    /// A form that only rationals have, met over integers: the spec does not apply.
    RealOnly(&'static str),
    /// A value that is no rational number.
    Irrational(&'static str),
    /// The largest of nothing.
    Empty,
    /// An operand, parameter or size of the spec that the caller does not provide.
    Unbound(String),
    /// The position has another rank than the result of the spec.
    Rank {
        /// Given.
        given: usize,
        /// Expected.
        expected: usize,
    },
}

impl fmt::Display for MeaningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("a number left the range of the arithmetic"),
            Self::Shift(s) => write!(f, "a shift by {s} has no meaning"),
            Self::Index { index, extent } => {
                write!(f, "index {index} is not below its extent {extent}")
            }
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::Logarithm => f.write_str("the logarithm of a number that is not positive"),
            Self::RealOnly(form) => write!(f, "`{form}` has a meaning for real numbers only"),
            Self::Irrational(what) => write!(f, "{what} has no exact rational value"),
            Self::Empty => f.write_str("`max` of nothing"),
            Self::Unbound(name) => write!(f, "`{name}` of the specification is not provided"),
            Self::Rank { given, expected } => {
                write!(
                    f,
                    "a position with {given} indices where {expected} are needed"
                )
            }
        }
    }
}

impl std::error::Error for MeaningError {}

/// Numbers and truth values that a meaning is interpreted over.
///
/// Integers are mathematical: a domain of bounded width reports [`MeaningError::Overflow`] or
/// widens, it never wraps.
pub trait Domain {
    /// A number.
    type Value: Clone;
    /// A truth value.
    type Bool: Clone;
    /// What can go wrong.
    type Error: From<MeaningError>;

    /// An integer constant.
    fn int(&mut self, v: i128) -> Result<Self::Value, Self::Error>;
    /// A truth constant.
    fn boolean(&mut self, v: bool) -> Result<Self::Bool, Self::Error>;
    /// `a + b`
    fn add(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error>;
    /// `a - b`
    fn sub(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error>;
    /// `a * b`
    fn mul(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error>;
    /// `-a`
    fn neg(&mut self, a: &Self::Value) -> Result<Self::Value, Self::Error>;
    /// floor(a / 2^s), for any s: beyond the width the result is 0 or -1.
    fn shr_floor(&mut self, a: &Self::Value, s: u32) -> Result<Self::Value, Self::Error>;
    /// a·2^s
    fn shl(&mut self, a: &Self::Value, s: u32) -> Result<Self::Value, Self::Error>;
    /// A comparison.
    fn cmp(&mut self, op: Cmp, a: &Self::Value, b: &Self::Value)
    -> Result<Self::Bool, Self::Error>;
    /// `a` where `cond` holds, else `b`.
    fn select(
        &mut self,
        cond: &Self::Bool,
        a: &Self::Value,
        b: &Self::Value,
    ) -> Result<Self::Value, Self::Error>;
    /// Negation.
    fn not(&mut self, a: &Self::Bool) -> Result<Self::Bool, Self::Error>;
    /// Conjunction.
    fn and(&mut self, a: &Self::Bool, b: &Self::Bool) -> Result<Self::Bool, Self::Error>;
    /// Disjunction.
    fn or(&mut self, a: &Self::Bool, b: &Self::Bool) -> Result<Self::Bool, Self::Error>;

    /// The smaller of two.
    fn min(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error> {
        let less = self.cmp(Cmp::Le, a, b)?;
        self.select(&less, a, b)
    }

    /// The larger of two.
    fn max(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error> {
        let more = self.cmp(Cmp::Ge, a, b)?;
        self.select(&more, a, b)
    }

    /// a - floor(a / 2^s)·2^s: the low s bits as a natural number.
    fn mod_pow2(&mut self, a: &Self::Value, s: u32) -> Result<Self::Value, Self::Error> {
        let quotient = self.shr_floor(a, s)?;
        let multiple = self.shl(&quotient, s)?;
        self.sub(a, &multiple)
    }

    /// The sum of all items; 0 if there are none.
    fn sum(&mut self, items: Vec<Self::Value>) -> Result<Self::Value, Self::Error> {
        let mut items = items.into_iter();
        let Some(mut total) = items.next() else {
            return self.int(0);
        };
        for item in items {
            total = self.add(&total, &item)?;
        }
        Ok(total)
    }

    /// The sum of all products; 0 if there are none.
    fn dot(&mut self, terms: Vec<(Self::Value, Self::Value)>) -> Result<Self::Value, Self::Error> {
        let mut products = Vec::with_capacity(terms.len());
        for (a, b) in &terms {
            products.push(self.mul(a, b)?);
        }
        self.sum(products)
    }

    /// The entry at `at`, an integer of `0..len`. Unless the domain knows better, a tree of
    /// choices between halves.
    fn lookup(
        &mut self,
        at: &Self::Value,
        len: usize,
        entry: &mut dyn FnMut(usize) -> Result<i64, Self::Error>,
    ) -> Result<Self::Value, Self::Error> {
        choose_entry(self, at, 0..len, entry)
    }

    /// A smooth function; domains of enclosures have all of its values, rationals hardly any.
    fn smooth(&mut self, f: Smooth, a: &Self::Value) -> Result<Self::Value, Self::Error> {
        let _ = a;
        Err(MeaningError::Irrational(f.name()).into())
    }

    /// `a / b`; rationals only.
    fn div(&mut self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value, Self::Error> {
        let _ = (a, b);
        Err(MeaningError::RealOnly("/").into())
    }

    /// `floor(a)`; rationals only.
    fn floor(&mut self, a: &Self::Value) -> Result<Self::Value, Self::Error> {
        let _ = a;
        Err(MeaningError::RealOnly("floor").into())
    }

    /// a·2^k for k of any sign; rationals only.
    fn scale(&mut self, a: &Self::Value, k: i64) -> Result<Self::Value, Self::Error> {
        let _ = (a, k);
        Err(MeaningError::RealOnly("scale").into())
    }
}

/// The entry at `at`, an integer of `range`.
fn choose_entry<D: Domain + ?Sized>(
    d: &mut D,
    at: &D::Value,
    range: std::ops::Range<usize>,
    entry: &mut dyn FnMut(usize) -> Result<i64, D::Error>,
) -> Result<D::Value, D::Error> {
    match range.len() {
        0 => Err(MeaningError::Index {
            index: 0,
            extent: 0,
        }
        .into()),
        1 => {
            let v = entry(range.start)?;
            d.int(v.into())
        }
        n => {
            let middle = range.start + n / 2;
            let low = choose_entry(d, at, range.start..middle, entry)?;
            let high = choose_entry(d, at, middle..range.end, entry)?;
            let border = d.int(middle as i128)?;
            let below = d.cmp(Cmp::Lt, at, &border)?;
            d.select(&below, &low, &high)
        }
    }
}

/// The operands, integer parameters and sizes that one interpretation reads.
///
/// Ids count declarations in the order of the spec's file; [`crate::Spec::operand`] finds one by
/// its name. [`crate::Bindings`] is the ready-made implementation over slices.
pub trait Operands<D: Domain> {
    /// The element of an operand at `indices` (as many as the operand has dimensions).
    fn get(
        &mut self,
        domain: &mut D,
        id: OperandId,
        indices: &[usize],
    ) -> Result<D::Value, D::Error>;

    /// An integer parameter; `indices` is empty for one value per tensor.
    fn parameter(&mut self, id: ParameterId, indices: &[usize]) -> Result<i64, D::Error>;

    /// The extent of an index set.
    fn size(&mut self, id: SizeId) -> Result<usize, D::Error>;
}
