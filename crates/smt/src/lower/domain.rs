//! The domain of bit-vector terms: numbers as linear forms over vectors, with proved intervals.
//!
//! A number is `(Σ c·atom + constant)·2^exp`. Sums, differences and products by constants stay
//! symbolic, so that a difference of two outputs becomes one merged form; only where an operator
//! is not linear is a form turned into a vector, as wide as its interval needs and no wider.
//! Sums are then taken modulo two to that width, which is exact.

mod operators;

use crate::query::Query;
use crate::term::{TermError, TermId};
use ceg4n_eval::{Domain, MeaningError};
use ceg4n_opspec::Cmp;
use std::collections::BTreeMap;
use std::fmt;

/// The widest vector that is built; leaves room for arithmetic on its limits in `i128`.
const WIDEST: u32 = 120;
/// Exponents beyond this are refused: no number of a network needs them, and comparing one with
/// a rational would shift that as far.
const FARTHEST: u64 = 1 << 16;

/// Why a program has no bit-vector form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerError {
    /// A term that the builder refuses.
    Term(TermError),
    /// No meaning over terms, for instance a division.
    Meaning(MeaningError),
    /// A number needs more bits than a vector may have.
    Width,
    /// What is asked does not fit the program.
    Question(&'static str),
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(e) => e.fmt(f),
            Self::Meaning(e) => e.fmt(f),
            Self::Width => write!(f, "a number needs more than {WIDEST} bits"),
            Self::Question(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for LowerError {}

impl From<TermError> for LowerError {
    fn from(e: TermError) -> Self {
        Self::Term(e)
    }
}

impl From<MeaningError> for LowerError {
    fn from(e: MeaningError) -> Self {
        Self::Meaning(e)
    }
}

/// A vector read as two's complement, and its proved range.
#[derive(Clone, Copy, Debug)]
struct Atom {
    lo: i128,
    hi: i128,
}

/// `(Σ c·atom + constant)·2^exp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    terms: BTreeMap<TermId, i128>,
    constant: i128,
    exp: i64,
}

/// A truth value: known, or a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The same under every assignment.
    Known(bool),
    /// Depends on the assignment.
    Term(TermId),
}

/// The domain: a query under construction and what is known of its vectors.
#[derive(Debug, Default)]
pub struct Terms {
    /// The query.
    pub query: Query,
    atoms: BTreeMap<TermId, Atom>,
    /// Mantissas that have a vector already: a sum that is compared and then chosen is built once.
    vectors: BTreeMap<Number, TermId>,
}

type Result<T> = std::result::Result<T, LowerError>;

fn over<T>(v: Option<T>) -> Result<T> {
    v.ok_or(LowerError::Width)
}

/// Bits of a two's complement vector for a range.
fn width_of(lo: i128, hi: i128) -> u32 {
    let bits = |v: i128| 129 - (if v < 0 { !v } else { v }).leading_zeros();
    bits(lo).max(bits(hi))
}

/// The sum of two exponents.
fn exponent(a: i64, b: i64) -> Result<i64> {
    over(a.checked_add(b).filter(|e| e.unsigned_abs() <= FARTHEST))
}

fn shl(v: i128, s: u32) -> Result<i128> {
    let shifted = v.checked_shl(s).filter(|r| s < 127 && r >> s == v);
    if v == 0 { Ok(0) } else { over(shifted) }
}

impl Number {
    /// `mantissa·2^exp`.
    pub fn constant(mantissa: i128, exp: i64) -> Self {
        Self {
            terms: BTreeMap::new(),
            constant: mantissa,
            exp,
        }
    }

    /// The power of two that the mantissa is multiplied by.
    pub fn exponent(&self) -> i64 {
        self.exp
    }

    /// The value, if it depends on nothing.
    fn known(&self) -> Option<(i128, i64)> {
        self.terms.is_empty().then_some((self.constant, self.exp))
    }

    /// The same value with `exp` lowered to `exp`.
    fn at(&self, exp: i64) -> Result<Self> {
        let up = self.exp.checked_sub(exp);
        let up = over(up.and_then(|up| u32::try_from(up).ok()))?;
        let mut terms = BTreeMap::new();
        for (t, c) in &self.terms {
            terms.insert(*t, shl(*c, up)?);
        }
        Ok(Self {
            terms,
            constant: shl(self.constant, up)?,
            exp,
        })
    }

    fn times(&self, m: i128, exp: i64) -> Result<Self> {
        if m == 0 {
            return Ok(Self::constant(0, 0));
        }
        let mut terms = BTreeMap::new();
        for (t, c) in &self.terms {
            terms.insert(*t, over(c.checked_mul(m))?);
        }
        Ok(Self {
            terms,
            constant: over(self.constant.checked_mul(m))?,
            exp: exponent(self.exp, exp)?,
        })
    }
}

impl Terms {
    /// A fresh integer input within `lo..=hi`, stored as an offset from `lo` in as few bits as it
    /// takes; the name is that of the offset.
    ///
    /// # Errors
    /// A name that is taken, a range that is empty or wider than a vector.
    pub fn input(&mut self, name: &str, lo: i128, hi: i128) -> Result<Number> {
        let span = over(hi.checked_sub(lo))?;
        if span < 0 {
            return Err(LowerError::Question("a range without a value"));
        }
        if span == 0 {
            return Ok(Number::constant(lo, 0));
        }
        let width = width_of(0, span) - 1;
        if width >= WIDEST {
            return Err(LowerError::Width);
        }
        let offset = self.query.var(name, width)?;
        if span.cast_unsigned() < (1u128 << width) - 1 {
            let most = self.query.constant(span, width)?;
            let within = self.query.ule(offset, most)?;
            self.query.assert(within)?;
        }
        let signed = self.query.zero_extend(offset, width + 1)?;
        self.atoms.insert(signed, Atom { lo: 0, hi: span });
        Ok(Number {
            terms: BTreeMap::from([(signed, 1)]),
            constant: lo,
            exp: 0,
        })
    }

    /// The range of a number's mantissa at its exponent.
    fn range(&self, n: &Number) -> Result<(i128, i128)> {
        let (mut lo, mut hi) = (n.constant, n.constant);
        for (t, c) in &n.terms {
            let a = self
                .atoms
                .get(t)
                .ok_or(LowerError::Question("a term of another query"))?;
            let (p, q) = (over(a.lo.checked_mul(*c))?, over(a.hi.checked_mul(*c))?);
            lo = over(lo.checked_add(p.min(q)))?;
            hi = over(hi.checked_add(p.max(q)))?;
        }
        Ok((lo, hi))
    }

    /// The mantissa as one vector, with its range.
    fn vector(&mut self, n: &Number) -> Result<(TermId, Atom)> {
        let (lo, hi) = self.range(n)?;
        let width = width_of(lo, hi);
        if width > WIDEST {
            return Err(LowerError::Width);
        }
        if let (Some((t, 1)), 0, 1) = (
            n.terms.iter().next().map(|(t, c)| (*t, *c)),
            n.constant,
            n.terms.len(),
        ) {
            return Ok((t, Atom { lo, hi }));
        }
        if let Some(t) = self.vectors.get(n) {
            return Ok((*t, Atom { lo, hi }));
        }
        let mut products = Vec::with_capacity(n.terms.len());
        for (t, c) in &n.terms {
            products.push((modulo(*c, width), self.fit(*t, width)?));
        }
        let t = self
            .query
            .linear(&products, modulo(n.constant, width), width)?;
        self.vectors.insert(n.clone(), t);
        Ok((t, Atom { lo, hi }))
    }

    /// A vector modulo 2^width: extended with its sign, or cut.
    fn fit(&mut self, t: TermId, width: u32) -> Result<TermId> {
        let own = self.query.width(t)?;
        if own <= width {
            return Ok(self.query.sign_extend(t, width)?);
        }
        Ok(self.query.extract(t, width - 1, 0)?)
    }

    /// A new number for a vector that holds a value of the range, cut to what the range needs.
    fn atom(&mut self, t: TermId, lo: i128, hi: i128, exp: i64) -> Result<Number> {
        if lo == hi {
            return Ok(Number::constant(lo, exp));
        }
        let t = self.fit(t, width_of(lo, hi))?;
        self.atoms.insert(t, Atom { lo, hi });
        Ok(Number {
            terms: BTreeMap::from([(t, 1)]),
            constant: 0,
            exp,
        })
    }

    /// A constant truth value or the term of one.
    ///
    /// # Errors
    /// As the builder.
    pub fn term(&mut self, t: Truth) -> Result<TermId> {
        match t {
            Truth::Known(b) => Ok(self.query.boolean(b)?),
            Truth::Term(t) => Ok(t),
        }
    }

    /// `a < 0`.
    fn negative(&mut self, a: &Number) -> Result<Truth> {
        let (lo, hi) = self.range(a)?;
        if hi < 0 || lo >= 0 {
            return Ok(Truth::Known(hi < 0));
        }
        let (t, _) = self.vector(a)?;
        let top = self.query.width(t)? - 1;
        let sign = self.query.extract(t, top, top)?;
        let one = self.query.constant(1, 1)?;
        Ok(Truth::Term(self.query.equal(sign, one)?))
    }

    fn choose(
        &mut self,
        cond: TermId,
        a: &Number,
        b: &Number,
        lo: i128,
        hi: i128,
    ) -> Result<Number> {
        let (ta, aa) = self.vector(a)?;
        let (tb, ab) = self.vector(b)?;
        let width = width_of(aa.lo.min(ab.lo), aa.hi.max(ab.hi));
        let (ta, tb) = (self.fit(ta, width)?, self.fit(tb, width)?);
        let t = self.query.ite(cond, ta, tb)?;
        self.atom(t, lo, hi, a.exp)
    }

    /// Both at the smaller exponent.
    fn aligned(&self, a: &Number, b: &Number) -> Result<(Number, Number)> {
        let exp = match (a.known(), b.known()) {
            (Some((0, _)), _) => b.exp,
            (_, Some((0, _))) => a.exp,
            _ => a.exp.min(b.exp),
        };
        let at = |n: &Number| {
            if n.known().is_some_and(|k| k.0 == 0) {
                Ok(Number::constant(0, exp))
            } else {
                n.at(exp)
            }
        };
        Ok((at(a)?, at(b)?))
    }

    fn extreme(&mut self, a: &Number, b: &Number, larger: bool) -> Result<Number> {
        let (a, b) = self.aligned(a, b)?;
        let (ra, rb) = (self.range(&a)?, self.range(&b)?);
        if ra.0 >= rb.1 {
            return Ok(if larger { a } else { b });
        }
        if rb.0 >= ra.1 {
            return Ok(if larger { b } else { a });
        }
        // With zero for `a` this is the sign of `b`, the sum that is chosen below.
        let less = self.cmp(Cmp::Lt, &b, &a)?;
        let (first, second) = if larger { (&a, &b) } else { (&b, &a) };
        let (lo, hi) = if larger {
            (ra.0.max(rb.0), ra.1.max(rb.1))
        } else {
            (ra.0.min(rb.0), ra.1.min(rb.1))
        };
        match less {
            Truth::Known(k) => Ok(if k { first.clone() } else { second.clone() }),
            Truth::Term(t) => self.choose(t, first, second, lo, hi),
        }
    }
}

/// The representative of `v` modulo 2^width that the builder takes as a constant; `width` is at
/// most [`WIDEST`].
fn modulo(v: i128, width: u32) -> i128 {
    let low = v & ((1i128 << width) - 1);
    if low >> (width - 1) & 1 == 1 {
        low - (1i128 << width)
    } else {
        low
    }
}
