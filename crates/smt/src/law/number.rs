//! Unbounded integers as terms: vectors that are as wide as the proved interval of their value, so
//! that nothing wraps.

use crate::query::Query;
use crate::term::{MAX_WIDTH, TermError, TermId};
use ceg4n_opspec::Cmp;
use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::fmt;

/// Amounts of shifts beyond this are refused: no interval of a law needs them.
const MOST_SHIFT: u32 = 1024;

/// Why a law has no form in terms at some width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LawError {
    /// A term that the builder refuses.
    Term(TermError),
    /// A value needs a wider vector than there is.
    Width,
    /// A truth value where a number is, or the other way round: a rule that was not read from a
    /// file.
    Kind,
}

impl fmt::Display for LawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(e) => e.fmt(f),
            Self::Width => write!(f, "a value needs more than {MAX_WIDTH} bits"),
            Self::Kind => f.write_str("a number and a truth value are mixed up"),
        }
    }
}

impl From<TermError> for LawError {
    fn from(e: TermError) -> Self {
        Self::Term(e)
    }
}

pub(super) type Result<T> = std::result::Result<T, LawError>;

/// An integer within `lo..=hi`, wherever everything that is demanded of its parts holds.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub(super) lo: BigInt,
    pub(super) hi: BigInt,
    /// A vector that holds it in two's complement; none for a known integer.
    term: Option<TermId>,
}

/// A truth value: known, or a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Known(bool),
    Term(TermId),
}

impl Number {
    pub(super) fn known(v: BigInt) -> Self {
        Self {
            lo: v.clone(),
            hi: v,
            term: None,
        }
    }

    /// What a vector holds, whose value is within these ends.
    pub(super) fn within(lo: BigInt, hi: BigInt, term: TermId) -> Self {
        match lo == hi {
            true => Self::known(lo),
            false => Self {
                lo,
                hi,
                term: Some(term),
            },
        }
    }

    pub(super) fn value(&self) -> Option<&BigInt> {
        (self.lo == self.hi).then_some(&self.lo)
    }

    fn width(&self) -> Result<u32> {
        width_of(&self.lo, &self.hi)
    }
}

/// Bits of a two's complement vector for a range.
pub(super) fn width_of(lo: &BigInt, hi: &BigInt) -> Result<u32> {
    let bits = |v: &BigInt| match v.is_negative() {
        true => (-v - BigInt::one()).bits() + 1,
        false => v.bits() + 1,
    };
    let width = bits(lo).max(bits(hi));
    let width = u32::try_from(width).map_err(|_| LawError::Width)?;
    (width <= MAX_WIDTH).then_some(width).ok_or(LawError::Width)
}

/// Arithmetic on numbers inside one query.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) query: Query,
}

impl Numbers {
    /// The number as a vector of `width` bits, which hold it.
    pub(super) fn vector(&mut self, n: &Number, width: u32) -> Result<TermId> {
        match (n.term, n.value()) {
            (_, Some(v)) => {
                let v = v.to_i128().ok_or(LawError::Width)?;
                Ok(self.query.constant(v, width)?)
            }
            (Some(t), None) => match self.query.width(t)? {
                wide if wide > width => Ok(self.query.extract(t, width - 1, 0)?),
                _ => Ok(self.query.sign_extend(t, width)?),
            },
            (None, None) => Err(LawError::Kind),
        }
    }

    fn binary(
        &mut self,
        [a, b]: [&Number; 2],
        (lo, hi): (BigInt, BigInt),
        op: fn(&mut Query, TermId, TermId) -> crate::TermResult,
    ) -> Result<Number> {
        if lo == hi {
            return Ok(Number::known(lo));
        }
        let width = width_of(&lo, &hi)?;
        let (a, b) = (self.low_bits(a, width)?, self.low_bits(b, width)?);
        let t = op(&mut self.query, a, b)?;
        Ok(Number::within(lo, hi, t))
    }

    /// The lowest `width` bits, whether they hold the number or not.
    fn low_bits(&mut self, n: &Number, width: u32) -> Result<TermId> {
        let own = n.width()?;
        let t = self.vector(n, own.max(width))?;
        match own > width {
            true => Ok(self.query.extract(t, width - 1, 0)?),
            false => Ok(t),
        }
    }

    pub(super) fn add(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let ends = (&a.lo + &b.lo, &a.hi + &b.hi);
        self.binary([a, b], ends, Query::add)
    }

    pub(super) fn sub(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let ends = (&a.lo - &b.hi, &a.hi - &b.lo);
        self.binary([a, b], ends, Query::sub)
    }

    pub(super) fn mul(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let ends = [&a.lo * &b.lo, &a.lo * &b.hi, &a.hi * &b.lo, &a.hi * &b.hi];
        self.binary([a, b], hull(&ends), Query::mul)
    }

    pub(super) fn cmp(&mut self, op: Cmp, a: &Number, b: &Number) -> Result<Truth> {
        match op {
            Cmp::Lt => self.below(a, b),
            Cmp::Gt => self.below(b, a),
            Cmp::Ge => {
                let t = self.below(a, b)?;
                self.not(t)
            }
            Cmp::Le => {
                let t = self.below(b, a)?;
                self.not(t)
            }
            Cmp::Eq => self.equal(a, b),
            Cmp::Ne => {
                let t = self.equal(a, b)?;
                self.not(t)
            }
        }
    }

    fn below(&mut self, a: &Number, b: &Number) -> Result<Truth> {
        if a.hi < b.lo {
            return Ok(Truth::Known(true));
        }
        if a.lo >= b.hi {
            return Ok(Truth::Known(false));
        }
        let width = a.width()?.max(b.width()?);
        let (a, b) = (self.vector(a, width)?, self.vector(b, width)?);
        Ok(Truth::Term(self.query.slt(a, b)?))
    }

    fn equal(&mut self, a: &Number, b: &Number) -> Result<Truth> {
        if a.hi < b.lo || b.hi < a.lo {
            return Ok(Truth::Known(false));
        }
        if let (Some(a), Some(b)) = (a.value(), b.value()) {
            return Ok(Truth::Known(a == b));
        }
        let width = a.width()?.max(b.width()?);
        let (a, b) = (self.vector(a, width)?, self.vector(b, width)?);
        Ok(Truth::Term(self.query.equal(a, b)?))
    }

    pub(super) fn min(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let ends = (
            a.lo.clone().min(b.lo.clone()),
            a.hi.clone().min(b.hi.clone()),
        );
        let less = self.below(a, b)?;
        self.choose(less, a, b, ends)
    }

    pub(super) fn max(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let ends = (
            a.lo.clone().max(b.lo.clone()),
            a.hi.clone().max(b.hi.clone()),
        );
        let less = self.below(a, b)?;
        self.choose(less, b, a, ends)
    }

    pub(super) fn select(&mut self, c: Truth, a: &Number, b: &Number) -> Result<Number> {
        let ends = (
            a.lo.clone().min(b.lo.clone()),
            a.hi.clone().max(b.hi.clone()),
        );
        self.choose(c, a, b, ends)
    }

    fn choose(
        &mut self,
        c: Truth,
        a: &Number,
        b: &Number,
        (lo, hi): (BigInt, BigInt),
    ) -> Result<Number> {
        match c {
            Truth::Known(true) => Ok(a.clone()),
            Truth::Known(false) => Ok(b.clone()),
            Truth::Term(c) => {
                let width = a.width()?.max(b.width()?);
                let (a, b) = (self.vector(a, width)?, self.vector(b, width)?);
                let t = self.query.ite(c, a, b)?;
                Ok(Number::within(lo, hi, t))
            }
        }
    }

    /// a·2^s for the amounts of `s` that are not negative; anything within its interval else.
    pub(super) fn shl(&mut self, a: &Number, s: &Number) -> Result<Number> {
        let (least, most) = amounts(s)?;
        let ends = [&a.lo << least, &a.lo << most, &a.hi << least, &a.hi << most];
        let (lo, hi) = hull(&ends);
        if lo == hi {
            return Ok(Number::known(lo));
        }
        let width = width_of(&lo, &hi)?.max(amount_bits(most));
        let value = self.vector(a, width)?;
        let amount = self.amount(s, width)?;
        let t = self.query.shl(value, amount)?;
        Ok(Number::within(lo, hi, t))
    }

    /// floor(a / 2^s), as [`Self::shl`].
    pub(super) fn shr(&mut self, a: &Number, s: &Number) -> Result<Number> {
        let (least, most) = amounts(s)?;
        let ends = [&a.lo >> least, &a.lo >> most, &a.hi >> least, &a.hi >> most];
        let (lo, hi) = hull(&ends);
        if lo == hi {
            return Ok(Number::known(lo));
        }
        let width = a.width()?.max(amount_bits(most));
        let value = self.vector(a, width)?;
        let amount = self.amount(s, width)?;
        let t = self.query.ashr(value, amount)?;
        Ok(Number::within(lo, hi, t))
    }

    /// The low s bits as a natural number, as [`Self::shl`].
    pub(super) fn low(&mut self, a: &Number, s: &Number) -> Result<Number> {
        let (_, most) = amounts(s)?;
        let mask = (BigInt::one() << most) - 1u8;
        if let (Some(v), Some(_)) = (a.value(), s.value()) {
            return Ok(Number::known(v & mask));
        }
        if mask.is_zero() || a.value().is_some_and(Zero::is_zero) {
            return Ok(Number::known(BigInt::zero()));
        }
        let hi = match a.lo.is_negative() {
            true => mask.clone(),
            false => mask.clone().min(a.hi.clone()),
        };
        let width = width_of(&BigInt::zero(), &mask)?
            .max(a.width()?)
            .max(amount_bits(most));
        let value = self.vector(a, width)?;
        let one = self.query.constant(1, width)?;
        let amount = self.amount(s, width)?;
        let power = self.query.shl(one, amount)?;
        let mask = self.query.sub(power, one)?;
        let t = self.query.bit_and(value, mask)?;
        Ok(Number::within(BigInt::zero(), hi, t))
    }

    /// An amount as an unsigned vector of `width` bits.
    fn amount(&mut self, s: &Number, width: u32) -> Result<TermId> {
        if s.value().is_some_and(Signed::is_negative) {
            return Ok(self.query.constant(0, width)?);
        }
        self.low_bits(s, width)
    }

    pub(super) fn not(&mut self, a: Truth) -> Result<Truth> {
        match a {
            Truth::Known(b) => Ok(Truth::Known(!b)),
            Truth::Term(t) => Ok(Truth::Term(self.query.not(t)?)),
        }
    }

    pub(super) fn and(&mut self, a: Truth, b: Truth) -> Result<Truth> {
        match (a, b) {
            (Truth::Known(false), _) | (_, Truth::Known(false)) => Ok(Truth::Known(false)),
            (Truth::Known(true), t) | (t, Truth::Known(true)) => Ok(t),
            (Truth::Term(a), Truth::Term(b)) => Ok(Truth::Term(self.query.and(&[a, b])?)),
        }
    }

    pub(super) fn or(&mut self, a: Truth, b: Truth) -> Result<Truth> {
        let (a, b) = (self.not(a)?, self.not(b)?);
        let neither = self.and(a, b)?;
        self.not(neither)
    }

    /// Demands a truth value.
    pub(super) fn assert(&mut self, t: Truth) -> Result<()> {
        let t = match t {
            Truth::Known(b) => self.query.boolean(b)?,
            Truth::Term(t) => t,
        };
        Ok(self.query.assert(t)?)
    }
}

fn hull(ends: &[BigInt; 4]) -> (BigInt, BigInt) {
    let [first, rest @ ..] = ends;
    let (mut lo, mut hi) = (first, first);
    for end in rest {
        lo = lo.min(end);
        hi = hi.max(end);
    }
    (lo.clone(), hi.clone())
}

/// The amounts that are not negative; 0 if all are.
fn amounts(s: &Number) -> Result<(u32, u32)> {
    let natural = |v: &BigInt| {
        let v = v.max(&BigInt::ZERO).to_u32();
        v.filter(|v| *v <= MOST_SHIFT).ok_or(LawError::Width)
    };
    Ok((natural(&s.lo)?, natural(&s.hi)?))
}

/// Bits of an amount as an unsigned number and a sign that is 0.
fn amount_bits(most: u32) -> u32 {
    33 - most.leading_zeros()
}
