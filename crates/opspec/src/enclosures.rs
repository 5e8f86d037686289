//! The domain of enclosures: numbers between two rationals, which are kept short.

use crate::ast::{Cmp, Smooth};
use crate::domain::{Domain, MeaningError};
use crate::domains::ExactDomain;
use ceg4n_base::Exact;
use ceg4n_base::elementary::{self, Enclosure, truncated};
use std::cmp::Ordering;

/// Closed intervals of exact numbers, rounded outward to `bits` significant bits. A point that is
/// that short stays a point. A truth value is `None` where the numbers decide it either way.
#[derive(Clone, Copy, Debug)]
pub struct EnclosureDomain {
    /// Significant bits of the ends.
    pub bits: u32,
}

type Result<T> = std::result::Result<T, MeaningError>;

impl EnclosureDomain {
    fn rounded(self, lo: &Exact, hi: &Exact) -> Enclosure {
        (
            truncated(lo, self.bits, false),
            truncated(hi, self.bits, true),
        )
    }

    /// The image under an operation that never falls.
    fn rising(
        a: &Enclosure,
        mut f: impl FnMut(&mut ExactDomain, &Exact) -> Result<Exact>,
    ) -> Result<Enclosure> {
        let d = &mut ExactDomain;
        Ok((f(d, &a.0)?, f(d, &a.1)?))
    }
}

/// Every product of the two, exactly.
fn product(a: &Enclosure, b: &Enclosure) -> Enclosure {
    if b.0 == b.1 {
        let (p, q) = (&a.0 * &b.0, &a.1 * &b.0);
        return if b.0.signum() < 0 { (q, p) } else { (p, q) };
    }
    if a.0 == a.1 {
        return product(b, a);
    }
    let corners = [&a.0 * &b.0, &a.0 * &b.1, &a.1 * &b.0, &a.1 * &b.1];
    let [p, q, r, s] = corners;
    let lo = p.clone().min(q.clone()).min(r.clone()).min(s.clone());
    (lo, p.max(q).max(r).max(s))
}

fn minus(a: &Enclosure) -> Enclosure {
    (-&a.1, -&a.0)
}

impl Domain for EnclosureDomain {
    type Value = Enclosure;
    type Bool = Option<bool>;
    type Error = MeaningError;

    fn int(&mut self, v: i128) -> Result<Enclosure> {
        let v = Exact::dyadic(v, 0);
        Ok((v.clone(), v))
    }

    fn boolean(&mut self, v: bool) -> Result<Option<bool>> {
        Ok(Some(v))
    }

    fn add(&mut self, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        Ok(self.rounded(&(&a.0 + &b.0), &(&a.1 + &b.1)))
    }

    fn sub(&mut self, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        self.add(a, &minus(b))
    }

    fn mul(&mut self, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        let (lo, hi) = product(a, b);
        Ok(self.rounded(&lo, &hi))
    }

    fn neg(&mut self, a: &Enclosure) -> Result<Enclosure> {
        Ok(minus(a))
    }

    fn shr_floor(&mut self, a: &Enclosure, s: u32) -> Result<Enclosure> {
        Self::rising(a, |d, v| d.shr_floor(v, s))
    }

    fn shl(&mut self, a: &Enclosure, s: u32) -> Result<Enclosure> {
        Self::rising(a, |d, v| d.shl(v, s))
    }

    fn cmp(&mut self, op: Cmp, a: &Enclosure, b: &Enclosure) -> Result<Option<bool>> {
        let order = if a.1 < b.0 {
            Ordering::Less
        } else if b.1 < a.0 {
            Ordering::Greater
        } else if a.0 == a.1 && *a == *b {
            Ordering::Equal
        } else {
            // They overlap: what holds of a pair that may be equal and of every unequal one.
            let possible = |o: Ordering| match o {
                Ordering::Less => a.0 < b.1,
                Ordering::Equal => true,
                Ordering::Greater => a.1 > b.0,
            };
            let all = [Ordering::Less, Ordering::Equal, Ordering::Greater];
            let mut seen = all
                .into_iter()
                .filter(|o| possible(*o))
                .map(|o| op.holds(o));
            let first = seen.next();
            return Ok(if seen.all(|h| Some(h) == first) {
                first
            } else {
                None
            });
        };
        Ok(Some(op.holds(order)))
    }

    fn select(&mut self, cond: &Option<bool>, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        Ok(match cond {
            Some(true) => a.clone(),
            Some(false) => b.clone(),
            None => (a.0.clone().min(b.0.clone()), a.1.clone().max(b.1.clone())),
        })
    }

    fn not(&mut self, a: &Option<bool>) -> Result<Option<bool>> {
        Ok(a.map(|v| !v))
    }

    fn and(&mut self, a: &Option<bool>, b: &Option<bool>) -> Result<Option<bool>> {
        Ok(match (a, b) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), v) | (v, Some(true)) => *v,
            (None, None) => None,
        })
    }

    fn or(&mut self, a: &Option<bool>, b: &Option<bool>) -> Result<Option<bool>> {
        Ok(match (a, b) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), v) | (v, Some(false)) => *v,
            (None, None) => None,
        })
    }

    fn min(&mut self, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        let least = |p: &Exact, q: &Exact| if p <= q { p.clone() } else { q.clone() };
        Ok((least(&a.0, &b.0), least(&a.1, &b.1)))
    }

    fn max(&mut self, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        let most = |p: &Exact, q: &Exact| if p >= q { p.clone() } else { q.clone() };
        Ok((most(&a.0, &b.0), most(&a.1, &b.1)))
    }

    /// Rounded once.
    fn sum(&mut self, items: Vec<Enclosure>) -> Result<Enclosure> {
        let (mut lo, mut hi) = (Exact::zero(), Exact::zero());
        for (a, b) in &items {
            lo = &lo + a;
            hi = &hi + b;
        }
        Ok(self.rounded(&lo, &hi))
    }

    /// Rounded once.
    fn dot(&mut self, terms: Vec<(Enclosure, Enclosure)>) -> Result<Enclosure> {
        let products = terms.iter().map(|(a, b)| product(a, b)).collect();
        self.sum(products)
    }

    fn div(&mut self, a: &Enclosure, b: &Enclosure) -> Result<Enclosure> {
        if b.0.signum() <= 0 && b.1.signum() >= 0 {
            return Err(MeaningError::DivisionByZero);
        }
        let quotient = |p: &Exact, q: &Exact| p.checked_div(q).ok_or(MeaningError::DivisionByZero);
        let ends = [
            quotient(&a.0, &b.0)?,
            quotient(&a.0, &b.1)?,
            quotient(&a.1, &b.0)?,
            quotient(&a.1, &b.1)?,
        ];
        let lo = ends.iter().min().cloned().unwrap_or_else(Exact::zero);
        let hi = ends.iter().max().cloned().unwrap_or_else(Exact::zero);
        Ok(self.rounded(&lo, &hi))
    }

    fn floor(&mut self, a: &Enclosure) -> Result<Enclosure> {
        Self::rising(a, |d, v| d.floor(v))
    }

    fn scale(&mut self, a: &Enclosure, k: i64) -> Result<Enclosure> {
        Self::rising(a, |d, v| d.scale(v, k))
    }

    /// Both functions rise.
    fn smooth(&mut self, f: Smooth, a: &Enclosure) -> Result<Enclosure> {
        let at = |x: &Exact| match f {
            Smooth::Sigmoid if x.is_zero() => (Exact::dyadic(1, -1), Exact::dyadic(1, -1)),
            Smooth::Sigmoid => elementary::sigmoid(x, self.bits),
            Smooth::Tanh => elementary::tanh(x, self.bits),
        };
        let (lo, hi) = (at(&a.0), at(&a.1));
        Ok(self.rounded(&lo.0, &hi.1))
    }
}
