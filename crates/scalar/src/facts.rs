//! What is proved of the value of a node: a range and zero bits at the low end.

use ceg4n_ir::Interval;

/// Ends beyond this are refused, which leaves room for sums in `i128`.
pub(crate) const FARTHEST: i128 = 1 << 120;

/// What holds of an integer value under every assignment of the inputs within their ranges. A
/// truth value is 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Facts {
    /// Least value.
    pub lo: i128,
    /// Greatest value.
    pub hi: i128,
    /// The value is a multiple of `2^zeros`; 127 for the constant 0.
    pub zeros: u32,
}

#[expect(
    clippy::should_implement_trait,
    reason = "the operators of Rust give no Option and take no bare amount"
)]
impl Facts {
    /// Of a known value.
    pub fn constant(v: i128) -> Self {
        Self {
            lo: v,
            hi: v,
            zeros: v.trailing_zeros().min(127),
        }
    }

    /// Of a value within a closed range; `lo ≤ hi`.
    pub fn within(lo: i128, hi: i128) -> Self {
        if lo == hi {
            Self::constant(lo)
        } else {
            Self { lo, hi, zeros: 0 }
        }
    }

    /// Of an input.
    pub fn of(range: Interval) -> Self {
        Self::within(range.lo.into(), range.hi.into())
    }

    /// The value, if there is only one.
    pub fn known(self) -> Option<i128> {
        (self.lo == self.hi).then_some(self.lo)
    }

    /// Bits of the narrowest two's complement type that holds every value.
    pub fn width(self) -> u32 {
        let bits = |v: i128| 129 - (if v < 0 { !v } else { v }).leading_zeros();
        bits(self.lo).max(bits(self.hi))
    }

    /// What holds of a value of which both hold; `None` if nothing can be such a value, which says
    /// that one of the two is wrong.
    pub fn both(self, other: Self) -> Option<Self> {
        let zeros = self.zeros.max(other.zeros);
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        // The ends move inwards to multiples.
        let step = zeros.min(126);
        let lo = (lo >> step) + i128::from(lo & ((1 << step) - 1) != 0);
        let (lo, hi) = (lo << step, (hi >> step) << step);
        (lo <= hi).then(|| match lo == hi {
            true => Self::constant(lo),
            false => Self { lo, hi, zeros },
        })
    }

    /// What holds of a value of which one holds.
    pub fn either(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
            zeros: self.zeros.min(other.zeros),
        }
    }

    /// Of a sum; `None` beyond what is represented.
    pub fn add(self, other: Self) -> Option<Self> {
        Self::checked(
            self.lo.checked_add(other.lo)?,
            self.hi.checked_add(other.hi)?,
            self.zeros.min(other.zeros),
        )
    }

    /// Of the product with a constant.
    pub fn times(self, c: i128) -> Option<Self> {
        if c == 0 {
            return Some(Self::constant(0));
        }
        let (a, b) = (self.lo.checked_mul(c)?, self.hi.checked_mul(c)?);
        Self::checked(
            a.min(b),
            a.max(b),
            self.zeros.saturating_add(c.trailing_zeros()),
        )
    }

    /// Of a product.
    pub fn mul(self, other: Self) -> Option<Self> {
        let mut ends = [0; 4];
        let pairs = [
            (self.lo, other.lo),
            (self.lo, other.hi),
            (self.hi, other.lo),
            (self.hi, other.hi),
        ];
        for (end, (a, b)) in ends.iter_mut().zip(pairs) {
            *end = a.checked_mul(b)?;
        }
        let (lo, hi) = (ends.iter().min()?, ends.iter().max()?);
        Self::checked(*lo, *hi, self.zeros.saturating_add(other.zeros))
    }

    /// Of the floor of the value over `2^s`.
    pub fn shr(self, s: u32) -> Self {
        let s = s.min(127);
        Self {
            lo: self.lo >> s,
            hi: self.hi >> s,
            zeros: self.zeros.saturating_sub(s),
        }
        .normal()
    }

    /// Of the low `s` bits as a natural number; `None` beyond what is represented.
    pub fn low(self, s: u32) -> Option<Self> {
        if s == 0 || self.zeros >= s {
            return Some(Self::constant(0));
        }
        let Some(most) = 1i128.checked_shl(s).filter(|m| *m > 0) else {
            // Natural numbers are below 2^127, and of others the low bits are near 2^s.
            return (self.lo >= 0).then_some(self);
        };
        if self.lo >> s == self.hi >> s {
            let lo = self.lo & (most - 1);
            return Self::checked(lo, lo + (self.hi - self.lo), self.zeros);
        }
        let step = (1i128 << self.zeros) - 1;
        Self::checked(0, (most - 1) & !step, self.zeros)
    }

    /// Of the smaller of two values.
    pub fn min(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.min(other.hi),
            zeros: self.zeros.min(other.zeros),
        }
        .normal()
    }

    /// Of the larger of two values.
    pub fn max(self, other: Self) -> Self {
        Self {
            lo: self.lo.max(other.lo),
            hi: self.hi.max(other.hi),
            zeros: self.zeros.min(other.zeros),
        }
        .normal()
    }

    fn checked(lo: i128, hi: i128, zeros: u32) -> Option<Self> {
        let inside = lo >= -FARTHEST && hi <= FARTHEST;
        inside.then(|| {
            Self {
                lo,
                hi,
                zeros: zeros.min(127),
            }
            .normal()
        })
    }

    /// A known value knows all its zeros.
    fn normal(self) -> Self {
        match self.lo == self.hi {
            true => Self::constant(self.lo),
            false => self,
        }
    }
}
