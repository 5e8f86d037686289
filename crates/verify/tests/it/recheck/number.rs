//! Intervals of rationals. Ends with long expansions are rounded outward to short dyadic numbers,
//! far finer than a float, so that numbers stay small; short ones stay as they are.

use ceg4n_base::Exact;
use ceg4n_ir::Rounding;
use num_bigint::BigInt;
use num_traits::ToPrimitive;

/// Significant bits that an end keeps.
const BITS: i64 = 128;

/// The product of two.
pub(crate) fn mul(a: &Exact, b: &Exact) -> Exact {
    if a.is_zero() || b.is_zero() {
        Exact::zero()
    } else {
        a * b
    }
}

/// A short dyadic number not above `v`.
pub(crate) fn down(v: &Exact) -> Exact {
    if let Some((m, _)) = v.as_dyadic()
        && m.bits() as i64 <= BITS
    {
        return v.clone();
    }
    let (n, d) = v.to_ratio();
    let k = BITS - (n.bits() as i64 - d.bits() as i64);
    Exact::dyadic(v.shifted(k).floor(), -k)
}

/// A short dyadic number not below `v`.
pub(crate) fn up(v: &Exact) -> Exact {
    -&down(&-v)
}

/// A float as the number it is.
pub(crate) fn float(v: f64) -> Result<Exact, String> {
    Exact::from_f64(v).ok_or_else(|| format!("{v} is no number"))
}

/// The integer nearest to a mantissa that fits one.
pub(crate) fn integer(v: BigInt) -> Result<i64, String> {
    v.to_i64().ok_or_else(|| format!("{v} exceeds 64 bits"))
}

/// `v` rounded to an integer.
pub(crate) fn rounded(rounding: Rounding, v: &Exact) -> BigInt {
    let half = Exact::dyadic(1, -1);
    match rounding {
        Rounding::Floor => v.floor(),
        Rounding::HalfUp => (v + &half).floor(),
        Rounding::HalfEven => {
            let floor = v.floor();
            let rest = v - &Exact::from(floor.clone());
            let is_odd = floor.bit(0);
            if rest > half || (rest == half && is_odd) {
                floor + 1
            } else {
                floor
            }
        }
    }
}

/// A closed interval.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) lo: Exact,
    pub(crate) hi: Exact,
}

impl Span {
    pub(crate) fn new(lo: Exact, hi: Exact) -> Self {
        Self { lo, hi }
    }

    pub(crate) fn point(v: &Exact) -> Self {
        Self::new(v.clone(), v.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lo > self.hi
    }

    pub(crate) fn is_point(&self) -> bool {
        self.lo == self.hi
    }

    /// Around it, with short ends.
    pub(crate) fn short(&self) -> Self {
        Self::new(down(&self.lo), up(&self.hi))
    }

    /// Around the multiples of `2^-frac` in it.
    pub(crate) fn snapped(&self, frac: i32) -> Self {
        let frac = i64::from(frac);
        let floor = |v: &Exact| Exact::dyadic(v.shifted(frac).floor(), -frac);
        Self::new(-&floor(&-&self.lo), floor(&self.hi))
    }

    pub(crate) fn meet(&self, other: &Self) -> Self {
        Self::new(
            self.lo.clone().max(other.lo.clone()),
            self.hi.clone().min(other.hi.clone()),
        )
    }

    pub(crate) fn plus(&self, c: &Exact) -> Self {
        Self::new(&self.lo + c, &self.hi + c)
    }

    pub(crate) fn times(&self, c: &Exact) -> Self {
        let (a, b) = (mul(&self.lo, c), mul(&self.hi, c));
        if c.signum() < 0 {
            Self::new(b, a)
        } else {
            Self::new(a, b)
        }
    }

    pub(crate) fn clamp(&self, lo: &Exact, hi: &Exact) -> Self {
        let at = |v: &Exact| v.clone().max(lo.clone()).min(hi.clone());
        Self::new(at(&self.lo), at(&self.hi))
    }

    pub(crate) fn relu(&self) -> Self {
        let at = |v: &Exact| v.clone().max(Exact::zero());
        Self::new(at(&self.lo), at(&self.hi))
    }

    /// It has numbers on both sides of zero.
    pub(crate) fn straddles(&self) -> bool {
        self.straddles_at(&Exact::zero())
    }

    pub(crate) fn straddles_at(&self, v: &Exact) -> bool {
        self.lo < *v && self.hi > *v
    }
}

/// The least value of `Σ c·x + k`.
pub(crate) fn least(c: &[Exact], x: &[Span], k: &Exact) -> Exact {
    let term = |(c, x): (&Exact, &Span)| mul(c, if c.signum() < 0 { &x.hi } else { &x.lo });
    let used = c.iter().zip(x).filter(|(c, _)| !c.is_zero());
    used.map(term).fold(k.clone(), |s, t| &s + &t)
}

/// The greatest value of `Σ c·x + k`.
pub(crate) fn greatest(c: &[Exact], x: &[Span], k: &Exact) -> Exact {
    let term = |(c, x): (&Exact, &Span)| mul(c, if c.signum() > 0 { &x.hi } else { &x.lo });
    let used = c.iter().zip(x).filter(|(c, _)| !c.is_zero());
    used.map(term).fold(k.clone(), |s, t| &s + &t)
}
