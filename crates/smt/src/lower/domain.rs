//! The domain of terms: numbers as linear forms over vectors or integers, with proved intervals.
//!
//! A number is `(Σ c·atom + constant)·2^exp`. Sums, differences and products by constants stay
//! symbolic, so that a difference of two outputs becomes one merged form; only where an operator
//! is not linear is a form turned into a term (see [`encode`]).

mod encode;
mod operators;

use crate::query::Query;
use crate::term::{Logic, TermError, TermId};
use ceg4n_eval::{Domain, MeaningError};
use ceg4n_opspec::Cmp;
use std::collections::BTreeMap;
use std::fmt;

/// The widest vector that is built; leaves room for arithmetic on its limits in `i128`.
const WIDEST: u32 = 120;
/// Exponents beyond this are refused: no number of a network needs them, and comparing one with
/// a rational would shift that as far.
const FARTHEST: u64 = 1 << 16;

/// Why a program has no form in terms.
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

/// The proved range of a term: a vector read as two's complement, or an integer.
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
    /// Mantissas that have a term already: a sum that is compared and then chosen is built once.
    wholes: BTreeMap<Number, TermId>,
    /// Mantissas of sums of which more is known than their terms say.
    ranges: BTreeMap<Number, Atom>,
    /// Terms whose sign has been asked for, with the truth that they are negative.
    signs: BTreeMap<TermId, TermId>,
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
    pub(super) fn at(&self, exp: i64) -> Result<Self> {
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
    /// The domain over a logic, about nothing yet.
    pub fn over(logic: Logic) -> Self {
        Self {
            query: Query::over(logic),
            ..Self::default()
        }
    }

    /// The range of a number's mantissa at its exponent.
    pub(super) fn range(&self, n: &Number) -> Result<(i128, i128)> {
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
        if let Some(known) = self.ranges.get(n) {
            (lo, hi) = (lo.max(known.lo), hi.min(known.hi));
        }
        Ok((lo, hi))
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

    /// A number that is proved to be an integer within `lo..=hi`.
    ///
    /// # Errors
    /// A range that excludes what was known, which is a defect of one of the two.
    pub(super) fn within(&mut self, n: &Number, lo: i128, hi: i128) -> Result<()> {
        if n.exp != 0 || n.known().is_some() {
            return Ok(());
        }
        let (a, b) = self.range(n)?;
        let (lo, hi) = (lo.max(a), hi.min(b));
        if lo > hi {
            return Err(LowerError::Question(
                "two ranges of a number exclude each other",
            ));
        }
        if (lo, hi) == (a, b) {
            return Ok(());
        }
        match n.terms.iter().next() {
            Some((t, 1)) if n.terms.len() == 1 => {
                let (lo, hi) = (lo - n.constant, hi - n.constant);
                self.atoms.insert(*t, Atom { lo, hi });
            }
            _ => {
                self.ranges.insert(n.clone(), Atom { lo, hi });
            }
        }
        Ok(())
    }

    /// The same number with a term of its own, which others share. It counts from the least value
    /// where that takes fewer bits.
    pub(super) fn shared(&mut self, n: &Number) -> Result<Number> {
        let (lo, hi) = self.range(n)?;
        if lo == hi {
            return Ok(Number::constant(lo, n.exp));
        }
        let mut from_least = n.clone();
        from_least.constant = over(n.constant.checked_sub(lo))?;
        self.ranges
            .insert(from_least.clone(), Atom { lo: 0, hi: hi - lo });
        let (t, atom) = self.whole(&from_least)?;
        self.atoms.entry(t).or_insert(atom);
        Ok(Number {
            terms: BTreeMap::from([(t, 1)]),
            constant: lo,
            exp: n.exp,
        })
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
        // Beside 0 the sign of the other one decides; its negation would take an adder.
        let is_zero = b.known().is_some_and(|k| k.0 == 0);
        let (a, b) = if is_zero { (b, a) } else { (a, b) };
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
        let (mut lo, mut hi) = if larger {
            (ra.0.max(rb.0), ra.1.max(rb.1))
        } else {
            (ra.0.min(rb.0), ra.1.min(rb.1))
        };
        // One of two numbers is at least their mean, which is known of a number and its negation.
        if let Some((sum, _)) = self.add(&a, &b)?.known() {
            if larger {
                lo = lo.max(sum - (sum >> 1));
            } else {
                hi = hi.min(sum >> 1);
            }
        }
        match less {
            Truth::Known(k) => Ok(if k { first.clone() } else { second.clone() }),
            Truth::Term(t) => self.choose(t, first, second, lo, hi),
        }
    }
}

impl Terms {
    /// The value of the last run that starts at most at the index `at`; there is a run, and the
    /// first one counts from below. A tree of choices.
    fn entry_of(&mut self, at: &Number, runs: &[(i128, i128)]) -> Result<Number> {
        let (low, high) = runs.split_at(runs.len() / 2);
        match (low, high) {
            (_, []) => Err(LowerError::Question("an entry of an empty table")),
            ([], [(_, value), ..]) => Ok(Number::constant(*value, 0)),
            ([_, ..], [(start, _), ..]) => {
                let below = self.cmp(Cmp::Lt, at, &Number::constant(*start, 0))?;
                let (low, high) = (self.entry_of(at, low)?, self.entry_of(at, high)?);
                self.select(&below, &low, &high)
            }
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
