//! The type range of a dot product, and a bound on its partial sums.

use crate::kernel::Interval;

/// What is known of `bias + Σ_k x[k]·w[k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DotRange {
    /// Least value.
    pub(super) lo: i128,
    /// Greatest value.
    pub(super) hi: i128,
    /// `|bias| + Σ |w|·max|x|`: partial sums in any order stay within it.
    pub(super) magnitude: i128,
}

/// The operand's ranges, prepared for many rows of weights.
pub(super) struct Operand<'a> {
    range: &'a [Interval],
    /// The range of every element, if they have one.
    common: Option<Interval>,
    magnitude: u64,
}

impl<'a> Operand<'a> {
    pub(super) fn new(range: &'a [Interval]) -> Self {
        let first = range.first().copied();
        Self {
            range,
            common: first.filter(|r| range.iter().all(|other| other == r)),
            magnitude: range.iter().map(|r| r.magnitude()).max().unwrap_or(0),
        }
    }

    /// The range over all operands within their ranges; `w` has one weight for each element.
    pub(super) fn dot(&self, w: &[i32], bias: i64) -> DotRange {
        // Sums of fewer than 2^32 weights of 32 bits fit.
        let (mut positive, mut negative) = (0i64, 0i64);
        for m in w {
            positive = positive.wrapping_add(i64::from((*m).max(0)));
            negative = negative.wrapping_add(i64::from((*m).min(0)));
        }
        let (p, n, b) = (i128::from(positive), i128::from(negative), i128::from(bias));
        let most = b.abs() + (p - n) * i128::from(self.magnitude);
        match self.common {
            Some(r) => {
                let (lo, hi) = (i128::from(r.lo), i128::from(r.hi));
                DotRange {
                    lo: b + p * lo + n * hi,
                    hi: b + p * hi + n * lo,
                    magnitude: most,
                }
            }
            // Every product and every partial sum below is at most `most`.
            None if most <= i128::from(i64::MAX) => self.narrow(w, bias),
            None => self.wide(w, b),
        }
    }

    /// Over 64 bits, which hold every partial sum.
    fn narrow(&self, w: &[i32], bias: i64) -> DotRange {
        let (mut lo, mut hi, mut all) = (bias, bias, bias.wrapping_abs());
        for (m, r) in w.iter().zip(self.range) {
            let m = i64::from(*m);
            let (p, q) = (m.wrapping_mul(r.lo), m.wrapping_mul(r.hi));
            lo = lo.wrapping_add(p.min(q));
            hi = hi.wrapping_add(p.max(q));
            all = all.wrapping_add(p.abs().max(q.abs()));
        }
        DotRange {
            lo: lo.into(),
            hi: hi.into(),
            magnitude: all.into(),
        }
    }

    fn wide(&self, w: &[i32], bias: i128) -> DotRange {
        let (mut lo, mut hi, mut all) = (bias, bias, bias.abs());
        for (m, r) in w.iter().zip(self.range) {
            let m = i128::from(*m);
            let (p, q) = (m * i128::from(r.lo), m * i128::from(r.hi));
            lo += p.min(q);
            hi += p.max(q);
            all += p.abs().max(q.abs());
        }
        DotRange {
            lo,
            hi,
            magnitude: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range() -> impl Strategy<Value = Interval> {
        let small = (-40i64..40, 0i64..40);
        let large = (-(1i64 << 32)..1 << 31, 0i64..1 << 31);
        prop_oneof![small, large].prop_map(|(lo, len)| Interval::new(lo, lo + len))
    }

    fn weight() -> impl Strategy<Value = i32> {
        prop_oneof![-9i32..9, Just(i32::MIN), Just(i32::MAX), any::<i32>()]
    }

    proptest! {
        /// The three ways agree: with the sum of products of ends, element by element.
        #[test]
        fn every_way_gives_the_same_range(
            w in prop::collection::vec(weight(), 1..20),
            ranges in prop::collection::vec(range(), 20),
            common: bool,
            bias in prop_oneof![-9i64..9, -i64::MAX..=i64::MAX],
        ) {
            let ranges: Vec<Interval> = (0..w.len())
                .map(|k| ranges[if common { 0 } else { k }])
                .collect();
            let operand = Operand::new(&ranges);
            prop_assert_eq!(operand.dot(&w, bias), operand.wide(&w, bias.into()));
        }
    }
}
