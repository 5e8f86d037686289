//! The operators of the domain of terms.

use super::{LowerError, Number, Result, Terms, Truth, WIDEST, exponent, over};
use crate::term::Op;
use ceg4n_eval::{Domain, MeaningError};
use ceg4n_opspec::Cmp;

impl Domain for Terms {
    type Value = Number;
    type Bool = Truth;
    type Error = LowerError;

    fn int(&mut self, v: i128) -> Result<Number> {
        Ok(Number::constant(v, 0))
    }

    fn boolean(&mut self, v: bool) -> Result<Truth> {
        Ok(Truth::Known(v))
    }

    fn add(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let (mut a, b) = self.aligned(a, b)?;
        for (t, c) in &b.terms {
            let sum = over(a.terms.get(t).copied().unwrap_or(0).checked_add(*c))?;
            if sum == 0 {
                a.terms.remove(t);
            } else {
                a.terms.insert(*t, sum);
            }
        }
        a.constant = over(a.constant.checked_add(b.constant))?;
        Ok(a)
    }

    fn sub(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let minus = b.times(-1, 0)?;
        self.add(a, &minus)
    }

    fn mul(&mut self, a: &Number, b: &Number) -> Result<Number> {
        match (a.known(), b.known()) {
            (_, Some((m, e))) => a.times(m, e),
            (Some((m, e)), _) => b.times(m, e),
            (None, None) => Err(LowerError::Question("a product of two variables")),
        }
    }

    fn neg(&mut self, a: &Number) -> Result<Number> {
        a.times(-1, 0)
    }

    fn shr_floor(&mut self, a: &Number, s: u32) -> Result<Number> {
        let scaled = self.scale(a, -i64::from(s))?;
        self.floor(&scaled)
    }

    fn shl(&mut self, a: &Number, s: u32) -> Result<Number> {
        let shifted = self.scale(a, s.into())?;
        // Integers are kept at exponent 0.
        if shifted.exp > 0 {
            shifted.at(0)
        } else {
            Ok(shifted)
        }
    }

    fn cmp(&mut self, op: Cmp, a: &Number, b: &Number) -> Result<Truth> {
        // Every order is the sign of one difference, so that `a < b` and `a ≥ b` share a vector.
        match op {
            Cmp::Lt => {
                let d = self.sub(a, b)?;
                self.negative(&d)
            }
            Cmp::Gt => self.cmp(Cmp::Lt, b, a),
            Cmp::Ge => {
                let less = self.cmp(Cmp::Lt, a, b)?;
                self.not(&less)
            }
            Cmp::Le => {
                let more = self.cmp(Cmp::Lt, b, a)?;
                self.not(&more)
            }
            Cmp::Eq => {
                let (le, ge) = (self.cmp(Cmp::Le, a, b)?, self.cmp(Cmp::Ge, a, b)?);
                self.and(&le, &ge)
            }
            Cmp::Ne => {
                let same = self.cmp(Cmp::Eq, a, b)?;
                self.not(&same)
            }
        }
    }

    fn select(&mut self, cond: &Truth, a: &Number, b: &Number) -> Result<Number> {
        match cond {
            Truth::Known(true) => Ok(a.clone()),
            Truth::Known(false) => Ok(b.clone()),
            Truth::Term(t) => {
                let (a, b) = self.aligned(a, b)?;
                let (ra, rb) = (self.range(&a)?, self.range(&b)?);
                self.choose(*t, &a, &b, ra.0.min(rb.0), ra.1.max(rb.1))
            }
        }
    }

    fn not(&mut self, a: &Truth) -> Result<Truth> {
        Ok(match a {
            Truth::Known(b) => Truth::Known(!b),
            Truth::Term(t) => Truth::Term(match self.query.definition(*t)?.op {
                Op::Not(inner) => inner,
                _ => self.query.not(*t)?,
            }),
        })
    }

    fn and(&mut self, a: &Truth, b: &Truth) -> Result<Truth> {
        Ok(match (a, b) {
            (Truth::Known(false), _) | (_, Truth::Known(false)) => Truth::Known(false),
            (Truth::Known(true), t) | (t, Truth::Known(true)) => *t,
            (Truth::Term(a), Truth::Term(b)) => Truth::Term(self.query.and(&[*a, *b])?),
        })
    }

    fn or(&mut self, a: &Truth, b: &Truth) -> Result<Truth> {
        Ok(match (a, b) {
            (Truth::Known(true), _) | (_, Truth::Known(true)) => Truth::Known(true),
            (Truth::Known(false), t) | (t, Truth::Known(false)) => *t,
            (Truth::Term(a), Truth::Term(b)) => Truth::Term(self.query.or(&[*a, *b])?),
        })
    }

    fn sum(&mut self, items: Vec<Number>) -> Result<Number> {
        let zero = |n: &Number| n.known().is_some_and(|k| k.0 == 0);
        let Some(exp) = items.iter().filter(|n| !zero(n)).map(|n| n.exp).min() else {
            return Ok(Number::constant(0, 0));
        };
        let mut total = Number::constant(0, exp);
        for n in items.iter().filter(|n| !zero(n)) {
            let n = n.at(exp)?;
            total.constant = over(total.constant.checked_add(n.constant))?;
            for (t, c) in n.terms {
                let sum = total.terms.entry(t).or_insert(0);
                *sum = over(sum.checked_add(c))?;
            }
        }
        total.terms.retain(|_, c| *c != 0);
        Ok(total)
    }

    fn min(&mut self, a: &Number, b: &Number) -> Result<Number> {
        self.extreme(a, b, false)
    }

    fn max(&mut self, a: &Number, b: &Number) -> Result<Number> {
        self.extreme(a, b, true)
    }

    fn mod_pow2(&mut self, a: &Number, s: u32) -> Result<Number> {
        let a = a.at(0)?;
        if s == 0 || a.known().is_some() || s >= WIDEST {
            let q = self.shr_floor(&a, s)?;
            let m = self.shl(&q, s)?;
            return self.sub(&a, &m);
        }
        if a.terms.values().all(|c| c.trailing_zeros() >= s) {
            // Whole multiples vanish.
            return Ok(Number::constant(a.constant.rem_euclid(1 << s), 0));
        }
        self.low_bits(&a, s)
    }

    fn div(&mut self, a: &Number, b: &Number) -> Result<Number> {
        // Division by a power of two only: others leave the dyadic numbers.
        match b.known() {
            Some((m, e)) if m > 0 && m.count_ones() == 1 => {
                let up = exponent(e, m.trailing_zeros().into())?;
                self.scale(a, -up)
            }
            _ => Err(LowerError::Question(
                "a division by another number than a power of two",
            )),
        }
    }

    /// Only entries in the proved range of the index count, and neighbours that are equal as one.
    fn lookup(
        &mut self,
        at: &Number,
        len: usize,
        entry: &mut dyn FnMut(usize) -> Result<i64>,
    ) -> Result<Number> {
        let at = at.at(0)?;
        let (lo, hi) = self.range(&at)?;
        let place = |v: i128| {
            let inside = usize::try_from(v).ok().filter(|i| *i < len);
            inside.ok_or(MeaningError::Index {
                index: i64::try_from(v).unwrap_or(i64::MAX),
                extent: len,
            })
        };
        let mut runs: Vec<(i128, i128)> = Vec::new();
        for i in place(lo)?..=place(hi)? {
            let value = i128::from(entry(i)?);
            if runs.last().is_none_or(|(_, last)| *last != value) {
                runs.push((i as i128, value));
            }
        }
        self.entry_of(&at, &runs)
    }

    fn floor(&mut self, a: &Number) -> Result<Number> {
        if a.exp >= 0 {
            return a.at(0);
        }
        let s = u32::try_from(a.exp.unsigned_abs()).map_err(|_| LowerError::Width)?;
        let down = |v: i128| v >> s.min(127);
        if a.terms.values().all(|c| c.trailing_zeros() >= s) {
            // Whole multiples leave the floor, and the form stays linear.
            let terms = a.terms.iter().map(|(t, c)| (*t, down(*c)));
            return Ok(Number {
                terms: terms.collect(),
                constant: down(a.constant),
                exp: 0,
            });
        }
        self.floor_of(a, s)
    }

    fn scale(&mut self, a: &Number, k: i64) -> Result<Number> {
        Ok(Number {
            exp: exponent(a.exp, k)?,
            ..a.clone()
        })
    }
}
