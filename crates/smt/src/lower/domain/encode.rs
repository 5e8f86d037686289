//! Linear forms as terms, in either logic. This is all that differs between the two.
//!
//! - `QF_BV`: a form is a vector as wide as its interval needs, its sum taken modulo two to that
//!   width; inputs are offsets from their least value; a floor is a cut of low bits.
//! - `QF_LIA`: a form is itself; inputs are integers within bounds; a floor is a fresh integer
//!   (see [`Query::floor_shift`](crate::Query::floor_shift)); the interval of every value that is
//!   not linear is asserted, because the solver cannot see it from the shape of the script.

use super::{Atom, LowerError, Number, Result, Terms, Truth, WIDEST, modulo, over, width_of};
use crate::term::{Logic, TermId};
use ceg4n_eval::Domain;
use std::collections::BTreeMap;

impl Terms {
    /// A fresh integer input within `lo..=hi`. The variable is the integer itself over integers,
    /// and its offset from `lo` in as few bits as it takes over vectors. A single value needs no
    /// variable.
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
        let offset_width = width_of(0, span) - 1;
        if offset_width >= WIDEST {
            return Err(LowerError::Width);
        }
        let (t, constant, range) = match self.query.logic() {
            Logic::Bv => (
                self.offset(name, span, offset_width)?,
                lo,
                Atom { lo: 0, hi: span },
            ),
            Logic::Lia => {
                let t = self.query.int_var(name)?;
                self.query.assert_within(t, lo, hi)?;
                (t, 0, Atom { lo, hi })
            }
        };
        self.atoms.insert(t, range);
        Ok(Number {
            terms: BTreeMap::from([(t, 1)]),
            constant,
            exp: 0,
        })
    }

    fn offset(&mut self, name: &str, span: i128, width: u32) -> Result<TermId> {
        let offset = self.query.var(name, width)?;
        if span.cast_unsigned() < (1u128 << width) - 1 {
            let most = self.query.constant(span, width)?;
            let within = self.query.ule(offset, most)?;
            self.query.assert(within)?;
        }
        Ok(self.query.zero_extend(offset, width + 1)?)
    }

    /// The mantissa as one term, with its range.
    pub(super) fn whole(&mut self, n: &Number) -> Result<(TermId, Atom)> {
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
        if let Some(t) = self.wholes.get(n) {
            return Ok((*t, Atom { lo, hi }));
        }
        let t = match self.query.logic() {
            Logic::Bv => {
                // The sign of what is not negative is no bit of the sum.
                let own = if lo >= 0 { (width - 1).max(1) } else { width };
                let mut products = Vec::with_capacity(n.terms.len());
                for (t, c) in &n.terms {
                    products.push((modulo(*c, own), self.fit(*t, own)?));
                }
                let sum = self.query.linear(&products, modulo(n.constant, own), own)?;
                self.query.zero_extend(sum, width)?
            }
            Logic::Lia => {
                let products: Vec<_> = n.terms.iter().map(|(t, c)| (*c, *t)).collect();
                self.query.affine(&products, n.constant)?
            }
        };
        self.wholes.insert(n.clone(), t);
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

    /// A new number for a term whose value is in the range: a vector is cut to what the range
    /// needs, of an integer the range is asserted.
    fn atom(&mut self, t: TermId, lo: i128, hi: i128, exp: i64) -> Result<Number> {
        if lo == hi {
            return Ok(Number::constant(lo, exp));
        }
        let t = match self.query.logic() {
            Logic::Bv => {
                let width = width_of(lo, hi);
                if lo >= 0 && self.query.width(t)? >= width {
                    let low = self.query.extract(t, width - 2, 0)?;
                    self.query.zero_extend(low, width)?
                } else {
                    self.fit(t, width)?
                }
            }
            Logic::Lia => {
                self.query.assert_within(t, lo, hi)?;
                t
            }
        };
        self.atoms.insert(t, Atom { lo, hi });
        Ok(Number {
            terms: BTreeMap::from([(t, 1)]),
            constant: 0,
            exp,
        })
    }

    /// `a < 0`.
    pub(super) fn negative(&mut self, a: &Number) -> Result<Truth> {
        let (lo, hi) = self.range(a)?;
        if hi < 0 || lo >= 0 {
            return Ok(Truth::Known(hi < 0));
        }
        let (t, _) = self.whole(a)?;
        if let Some(sign) = self.signs.get(&t) {
            return Ok(Truth::Term(*sign));
        }
        let sign = match self.query.logic() {
            Logic::Bv => {
                let top = self.query.width(t)? - 1;
                let sign = self.query.extract(t, top, top)?;
                let one = self.query.constant(1, 1)?;
                self.query.equal(sign, one)?
            }
            Logic::Lia => {
                let minus_one = self.query.integer(-1)?;
                self.query.at_most(t, minus_one)?
            }
        };
        self.signs.insert(t, sign);
        Ok(Truth::Term(sign))
    }

    /// `a` if `cond`, else `b`, of the same exponent; the result is within `lo..=hi`.
    pub(super) fn choose(
        &mut self,
        cond: TermId,
        a: &Number,
        b: &Number,
        lo: i128,
        hi: i128,
    ) -> Result<Number> {
        let (mut ta, aa) = self.whole(a)?;
        let (mut tb, ab) = self.whole(b)?;
        match self.query.logic() {
            Logic::Bv => {
                let width = width_of(aa.lo.min(ab.lo), aa.hi.max(ab.hi));
                (ta, tb) = (self.fit(ta, width)?, self.fit(tb, width)?);
            }
            Logic::Lia => {}
        }
        let t = self.query.ite(cond, ta, tb)?;
        self.atom(t, lo, hi, a.exp)
    }

    /// The floor of the mantissa over 2^s, for s > 0.
    pub(super) fn floor_of(&mut self, a: &Number, s: u32) -> Result<Number> {
        let down = |v: i128| v >> s.min(127);
        let (lo, hi) = self.range(a)?;
        if lo >= -1 && hi <= 0 {
            // -1 and 0 are their own floors.
            return Ok(Number {
                exp: 0,
                ..a.clone()
            });
        }
        let (t, r) = self.whole(a)?;
        let (lo, hi) = (down(r.lo), down(r.hi));
        let width = width_of(r.lo, r.hi);
        match self.query.logic() {
            Logic::Bv => {
                // A single term may be wider than its range needs.
                let own = self.query.width(t)?;
                let low = s.min(own - 1);
                let t = self.query.extract(t, own - 1, low)?;
                self.atom(t, lo, hi, 0)
            }
            Logic::Lia if s >= width => match self.negative(a)? {
                Truth::Known(negative) => Ok(Number::constant(-i128::from(negative), 0)),
                Truth::Term(t) => {
                    let (minus, zero) = (Number::constant(-1, 0), Number::constant(0, 0));
                    self.choose(t, &minus, &zero, lo, hi)
                }
            },
            Logic::Lia => {
                let t = self.query.floor_shift(t, s)?;
                self.atom(t, lo, hi, 0)
            }
        }
    }

    /// The integer `a` modulo 2^s, for 0 < s < [`WIDEST`].
    pub(super) fn low_bits(&mut self, a: &Number, s: u32) -> Result<Number> {
        let t = match self.query.logic() {
            Logic::Bv => {
                let (t, _) = self.whole(a)?;
                let t = self.fit(t, s)?;
                self.query.zero_extend(t, s + 1)?
            }
            Logic::Lia => {
                let quotient = self.shr_floor(a, s)?;
                let above = self.shl(&quotient, s)?;
                let rest = self.sub(a, &above)?;
                if rest.known().is_some() {
                    return Ok(rest);
                }
                self.whole(&rest)?.0
            }
        };
        self.atom(t, 0, (1i128 << s) - 1, 0)
    }
}
